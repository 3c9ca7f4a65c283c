import Checkpoints
import Inspection
import Quantization
import TensorCore

/// The kinds of weight whose distribution a report shows: those with most elements.
struct WeightKinds {
    private static let limit = 12
    /// Counts that the histograms of all tensors may have together; more tensors get fewer bins each.
    private static let countLimit = 1 << 21

    private let names: [String]
    private let kindOfTensor: [String: String]

    init(_ checkpoint: Checkpoint) {
        var elementCounts: [String: Int] = [:]
        var kinds: [String: String] = [:]
        for tensor in checkpoint.tensors where tensor.scalarType.isQuantizable && tensor.elementCount > 0 {
            let kind = LayerListing.kind(of: tensor.name, inLayer: LayerListing.layer(of: tensor.name))
            elementCounts[kind, default: 0] += tensor.elementCount
            kinds[tensor.name] = kind
        }
        let names = elementCounts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(Self.limit).map(\.key)
        let chosen = Set(names)
        self.names = names
        kindOfTensor = kinds.filter { chosen.contains($0.value) }
    }

    /// Of each tensor's histogram.
    var binCount: Int { max(64, min(1024, Self.countLimit / max(1, kindOfTensor.count))) }

    func contains(_ tensor: String) -> Bool { kindOfTensor[tensor] != nil }

    /// One for each kind, the one with most elements first; the tensors of a kind are joined in their order.
    func distributions(of tensors: [TensorStatistics]) -> [Distribution] {
        let groups = Dictionary(grouping: tensors) { kindOfTensor[$0.row.name] ?? "" }
        return names.compactMap { name in
            Distribution(kind: name, (groups[name] ?? []).compactMap(\.reals).map { ($0.summary, $0.histogram) })
        }
    }
}
