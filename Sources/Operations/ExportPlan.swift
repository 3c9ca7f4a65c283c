package import Checkpoints
import JSONText
import Quantization
package import TensorCore

/// What an export to safetensors will write, before anything is read or written.
package struct ExportPlan: Sendable {
    /// How 4-bit weights leave.
    package enum Form: Sendable, Hashable {
        /// As bitsandbytes and transformers store them.
        case quantized
        /// Every tensor dense; floats as the given type, or as they are (4-bit weights: as they were) where it is nil.
        case dense(ScalarType?)
    }

    package enum Origin: Sendable {
        /// Bytes of a stored tensor.
        case copy(Int)
        case cast(Int, to: ScalarType)
        /// A 4-bit weight (index of the checkpoint's logical tensors).
        case dequantize(Int, to: ScalarType)
    }

    package struct Output: Sendable {
        package let info: TensorInfo
        package let origin: Origin
        /// Outputs of the same group stay in one shard: the parts of one weight.
        let group: Int
    }

    package let checkpoint: Checkpoint
    package let form: Form
    package let outputs: [Output]
    /// 4-bit weights that had to be made dense because transformers has no 4-bit layer of their kind.
    package let expanded: [String]

    /// - Throws: `OperationError` where the form does not fit the checkpoint, `FileError` where its weights cannot be computed with.
    package init(_ checkpoint: Checkpoint, form: Form) throws {
        try checkpoint.requireReadableWeights()
        let order = checkpoint.tensors.indices.sorted {
            NaturalOrder.precedes(checkpoint.tensors[$0].name, checkpoint.tensors[$1].name)
        }
        var outputs: [Output] = []
        var expanded: [String] = []
        for index in order {
            let tensor = checkpoint.tensors[index]
            switch (tensor.storage, form) {
            case (.plain(let stored), .quantized), (.plain(let stored), .dense(nil)):
                outputs.append(Output(info: checkpoint.source.tensors[stored], origin: .copy(stored), group: index))
            case (.plain(let stored), .dense(let type?)):
                outputs.append(try Self.cast(stored, checkpoint, to: type, group: index))
            case (.quantized(let quantized), .quantized) where Self.hasFourBitLayer(tensor):
                outputs += try Self.parts(of: quantized, named: tensor.name, checkpoint.source, group: index)
            case (.quantized, .quantized):
                expanded.append(tensor.name)
                outputs.append(try Self.dequantized(index, tensor, to: tensor.scalarType))
            case (.quantized, .dense(let type)):
                outputs.append(try Self.dequantized(index, tensor, to: type ?? tensor.scalarType))
            }
        }
        self.checkpoint = checkpoint
        self.form = form
        self.outputs = outputs
        self.expanded = expanded
    }

    /// Bytes that an export tells `Resources.progress` of, all together: every byte of the source is read.
    package var inputByteCount: Int { checkpoint.storedByteCount }

    /// What transformers 5 will not load of a 4-bit folder (formats/bitsandbytes-4bit.md, "Which weights").
    package var loadingWarnings: [String] {
        guard form == .quantized else { return [] }
        let weights = checkpoint.tensors.filter { $0.quantized != nil && Self.hasFourBitLayer($0) }
        var warnings: [String] = []
        if let expert = weights.first(where: { $0.name.contains(".experts.") }) {
            warnings.append(
                "transformers 5 holds all experts of a layer as one tensor, for which it has no 4-bit layer: it will not load 4-bit ones "
                    + "like '\(expert.name)'")
        }
        if checkpoint.architecture.modelType == "falcon", let weight = weights.first {
            warnings.append(
                "transformers 5 has no 4-bit layer for the linear layers of Falcon: it will not load 4-bit ones like '\(weight.name)'")
        }
        return warnings
    }

    /// transformers has 4-bit versions of linear layers, the output head among them, and of no others.
    static func hasFourBitLayer(_ tensor: LogicalTensor) -> Bool {
        let role = LinearLayers.role(of: tensor.name, shape: tensor.shape)
        return role == .linear || role == .head
    }

    /// Outputs in shards of at most `limit` bytes of data (a larger weight has one to itself), in the order of each file.
    package func shards(maximumByteCount limit: Int) -> [[Output]] {
        var shards: [[Output]] = []
        var current: [Output] = []
        var currentByteCount = 0
        var index = 0
        while index < outputs.count {
            let end = outputs[index...].firstIndex { $0.group != outputs[index].group } ?? outputs.count
            let group = outputs[index..<end]
            let byteCount = group.reduce(0) { $0 + $1.info.byteCount }
            if !current.isEmpty, currentByteCount + byteCount > limit {
                shards.append(current)
                (current, currentByteCount) = ([], 0)
            }
            current += group
            currentByteCount += byteCount
            index = end
        }
        if !current.isEmpty || shards.isEmpty { shards.append(current) }
        return shards.map { shard in StorageOrder.indices(of: shard.map(\.info)).map { shard[$0] } }
    }

    private static func cast(_ stored: Int, _ checkpoint: Checkpoint, to type: ScalarType, group: Int) throws -> Output {
        let info = checkpoint.source.tensors[stored]
        guard info.scalarType.isQuantizable, info.scalarType != type,
            let cast = TensorInfo(name: info.name, scalarType: type, shape: info.shape)
        else { return Output(info: info, origin: .copy(stored), group: group) }
        return Output(info: cast, origin: .cast(stored, to: type), group: group)
    }

    private static func dequantized(_ index: Int, _ tensor: LogicalTensor, to type: ScalarType) throws -> Output {
        guard let info = TensorInfo(name: tensor.name, scalarType: type, shape: tensor.shape) else {
            throw OperationError("tensor '\(tensor.name)' of shape \(tensor.shape) is too large as \(type.rawValue)")
        }
        return Output(info: info, origin: .dequantize(index, to: type), group: index)
    }

    /// The parts as stored, the codes always as U8 [(n + 1) / 2, 1].
    private static func parts(
        of quantized: QuantizedTensor, named name: String, _ source: any TensorSource, group: Int
    ) throws -> [Output] {
        guard let shape = Shape([quantized.state.packedByteCount, 1]), let codes = TensorInfo(name: name, scalarType: .u8, shape: shape)
        else { preconditionFailure("codes that exist have a possible size") }
        let others = quantized.parts.dropFirst().map { Output(info: source.tensors[$0], origin: .copy($0), group: group) }
        return [Output(info: codes, origin: .copy(quantized.codes), group: group)] + others
    }
}
