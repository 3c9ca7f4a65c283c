import Adapters
import ByteIO
import Checkpoints
import JSONText
import Streaming
import TensorCore

/// Biases that a merge adds to layers that have none, where the family has a place for them.
///
/// A family has biases in all layers of a kind or in none of them: where an adapter brings some, the others get zeros, which
/// change nothing, and a member of config.json says that there are any.
struct MergedBiases: Sendable {
    struct Bias: Sendable {
        let info: TensorInfo
        let values: [Float]
        /// Index of the tensor that the layer's weight is.
        let weight: Int
    }

    /// Members of config.json that become true.
    private(set) var flags: [String] = []
    private(set) var biases: [Bias] = []

    private static let attention = (flag: "attention_bias", modules: ["q_proj", "k_proj", "v_proj", "o_proj"])
    private static let mlp = (flag: "mlp_bias", modules: ["gate_proj", "up_proj", "down_proj"])
    private static let places: [String: [(flag: String, modules: [String])]] = [
        "llama": [attention, mlp], "granite": [attention, mlp], "qwen3": [attention],
    ]

    init(_ bound: BoundAdapters, base: Checkpoint) throws {
        guard let first = bound.addedBiases.first else { return }
        let places = base.architecture.modelType.flatMap { Self.places[$0] } ?? []
        var needed: [(flag: String, modules: [String])] = []
        for added in bound.addedBiases {
            guard !added.isTiedHead, let place = places.first(where: { $0.modules.contains(Self.last(added.module)) }) else {
                throw Self.refusal(bound, added, base)
            }
            if !needed.contains(where: { $0.flag == place.flag }) { needed.append(place) }
        }
        flags = needed.map(\.flag)
        let names = Set(base.tensors.map { ByteKey($0.name) })
        for (index, tensor) in base.tensors.enumerated() where tensor.name.hasSuffix(".weight") && tensor.shape.dimensions.count == 2 {
            let module = String(tensor.name.dropLast(".weight".count))
            guard needed.contains(where: { $0.modules.contains(Self.last(module)) }), !names.contains(ByteKey(module + ".bias")) else {
                continue
            }
            let added = bound.addedBiases.first { $0.parameter == index }
            biases.append(try Self.bias(module, tensor, index, added, bound, base))
        }
        if biases.isEmpty { throw Self.refusal(bound, first, base) }
    }

    private static func bias(
        _ module: String, _ weight: LogicalTensor, _ index: Int, _ added: BoundAdapters.AddedBias?, _ bound: BoundAdapters,
        _ base: Checkpoint
    ) throws -> Bias {
        let count = weight.orientation.sizes(of: weight.shape.dimensions).outputs
        var values = [Float](repeating: 0, count: count)
        for term in added?.terms ?? [] {
            let bias = try bound.adapters[term.adapter].adapter.values(of: term.tensor)
            for index in values.indices { values[index] += bias[index] * term.scale }
        }
        guard let shape = Shape([count]), let info = TensorInfo(name: module + ".bias", scalarType: weight.scalarType, shape: shape) else {
            throw OperationError("a bias of \(count) elements for '\(module)' in \(base.path) cannot be stored")
        }
        return Bias(info: info, values: values, weight: index)
    }

    private static func last(_ module: String) -> String {
        String(module[(module.lastIndex(of: ".").map(module.index(after:)) ?? module.startIndex)...])
    }

    private static func refusal(_ bound: BoundAdapters, _ added: BoundAdapters.AddedBias, _ base: Checkpoint) -> FileError {
        let family =
            base.architecture.modelType.map { "a \($0) has no place for one there" } ?? "without a config.json nobody knows whether it may"
        return FileError(
            bound.adapters[added.terms[0].adapter].adapter.path,
            "has 'lora_bias', which adds a bias to '\(JSONError.excerpt(added.module))', but the layer has none in \(base.path), and \(family)",
            hint: "use it beside the base, which `AdapterApplication` does")
    }
}
