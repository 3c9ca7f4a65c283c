import Adapters
import ByteIO
import TensorCore

/// What the adapters of a merge do to one tensor of the base, all of them together.
struct WeightChange: Sendable {
    /// One delta: `scale * (B @ A)`.
    struct Term: Sendable {
        /// Index into the adapters of the merge.
        let adapter: Int
        let update: LowRankUpdate
        /// The module's scaling times the adapter's weight, rounded to float32 once as PyTorch does.
        let scale: Float
        let isEmbedding: Bool
    }

    enum Kind: Sendable {
        /// The deltas are added up, then to the base.
        case lowRank([Term])
        /// DoRA: base and delta together, each row of [out, in] brought to the length that the magnitude says.
        case rescaled(Term, magnitude: AdapterTensor)
        /// Scaled biases are added.
        case bias([(adapter: Int, tensor: AdapterTensor, scale: Float)])
        /// The whole tensor is the adapter's.
        case replaced(adapter: Int, AdapterTensor)
        /// Some rows are the adapter's.
        case rows(adapter: Int, AdapterTensor, indices: [Int])
    }

    var kind: Kind

    /// Indices of the adapters that take part.
    var adapters: [Int] {
        switch kind {
        case .lowRank(let terms): terms.map(\.adapter)
        case .rescaled(let term, _): [term.adapter]
        case .bias(let biases): biases.map(\.adapter)
        case .replaced(let adapter, _), .rows(let adapter, _, _): [adapter]
        }
    }

    /// The same tensor, changed by one more module; nil where the two cannot be added up.
    func adding(_ next: WeightChange) -> WeightChange? {
        switch (kind, next.kind) {
        case (.lowRank(let terms), .lowRank(let more)): WeightChange(kind: .lowRank(terms + more))
        case (.bias(let biases), .bias(let more)): WeightChange(kind: .bias(biases + more))
        default: nil
        }
    }

    /// The kind in a word or two, for messages and listings.
    var word: String {
        switch kind {
        case .lowRank(let terms): "LoRA, rank \(terms.map { String($0.update.rank) }.joined(separator: " + "))"
        case .rescaled(let term, _): "DoRA, rank \(term.update.rank)"
        case .bias: "bias"
        case .replaced: "replaced"
        case .rows(_, _, let indices): "\(indices.count) rows"
        }
    }
}
