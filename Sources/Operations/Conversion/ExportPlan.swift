package import Checkpoints
import JSONText
import Quantization
import Streaming
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
        /// A weight of another encoding (index of the checkpoint's logical tensors).
        case dequantize(Int, to: ScalarType)
    }

    package struct Output: Sendable {
        package let info: TensorInfo
        package let origin: Origin
        /// Outputs of the same group stay in one shard: the parts of one weight.
        let group: Int
    }

    package let checkpoint: Checkpoint
    let layers: FourBitLayers
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
        let layers = FourBitLayers(checkpoint)
        var outputs: [Output] = []
        var expanded: [String] = []
        for index in order {
            let tensor = checkpoint.tensors[index]
            switch (tensor.storage, form) {
            case (.plain(let stored), .quantized), (.plain(let stored), .dense(nil)):
                outputs.append(Output(info: checkpoint.source.tensors[stored], origin: .copy(stored), group: index))
            case (.plain(let stored), .dense(let type?)):
                outputs.append(try Self.cast(stored, checkpoint, to: type, group: index))
            case (.quantized(let quantized), .quantized) where layers.hasFourBitLayer(tensor):
                outputs += try Self.parts(of: quantized, named: tensor.name, checkpoint.source, group: index)
            case (.quantized, .quantized):
                expanded.append(tensor.name)
                outputs.append(try Self.dequantized(index, tensor, to: tensor.scalarType))
            case (.quantized, .dense(let type)):
                outputs.append(try Self.dequantized(index, tensor, to: type ?? tensor.scalarType))
            case (.encoded, .quantized), (.encoded, .dense(nil)):
                outputs.append(try Self.dequantized(index, tensor, to: tensor.scalarType))
            case (.encoded, .dense(let type?)): outputs.append(try Self.dequantized(index, tensor, to: type))
            }
        }
        self.checkpoint = checkpoint
        self.layers = layers
        self.form = form
        self.outputs = outputs
        self.expanded = expanded
    }

    /// Bytes that an export tells `Resources.progress` of, all together: every byte of the source is read.
    package var inputByteCount: Int { checkpoint.storedByteCount }

    /// Why transformers 5 will not load the folder (formats/bitsandbytes-4bit.md, "Which weights"); nil where it will.
    package var loadingObstacle: String? {
        guard form == .quantized, !fourBitStates.isEmpty else { return nil }
        return layers.loadingObstacle
    }

    /// Of the weights that leave 4-bit.
    var fourBitStates: [QuantState] { checkpoint.tensors.filter(layers.hasFourBitLayer).compactMap { $0.quantized?.state } }

    /// The type that most elements have where weights of another quantization became dense: decoding decides it, whatever config.json
    /// said; nil where no weight was.
    var decodedType: ScalarType? {
        guard checkpoint.hasPackedWeights else { return nil }
        var counts: [ScalarType: Int] = [:]
        for output in outputs where output.info.scalarType.torchName != nil {
            counts[output.info.scalarType, default: 0] += output.info.elementCount
        }
        return counts.max { ($0.value, $0.key.bitCount, $0.key.rawValue) < ($1.value, $1.key.bitCount, $1.key.rawValue) }?.key
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
