package import Checkpoints
import JSONText
import Quantization
import Streaming
package import TensorCore

/// What an export for mlx-lm will write, before anything is read: matrices as codes with scales and biases, the rest as it is.
package struct MLXExportPlan: Sendable {
    enum Content: Sendable {
        /// Bytes of a stored tensor.
        case copy(Int)
        /// Elements in the order of the source, as another type.
        case dense(ScalarType)
        case quantized(MLXQuantizer)
    }

    struct Item: Sendable {
        let tensor: LogicalTensor
        let content: Content
        /// One, or codes, scales and biases.
        let outputs: [TensorInfo]
    }

    package let checkpoint: Checkpoint
    package let bits: Int
    package let groupSize: Int
    let items: [Item]
    /// Matrices that stay dense, as their rows are no whole groups.
    package let unquantized: [String]
    /// Of what becomes codes.
    let scalarType: ScalarType

    package static let bits = [4, 8]
    package static let groupSizes = [32, 64, 128]

    /// - Parameter type: of everything that is a float; nil keeps what it was.
    /// - Throws: where weights cannot be computed with, or lie otherwise than mlx-lm expects them.
    package init(_ checkpoint: Checkpoint, bits: Int, groupSize: Int, castingTo type: ScalarType?) throws {
        precondition(Self.bits.contains(bits) && Self.groupSizes.contains(groupSize), "\(bits) bits in groups of \(groupSize)")
        try checkpoint.requireReadableWeights()
        let turned = checkpoint.tensors.first {
            $0.orientation == .inputsByOutputs && ($0.shape.dimensions.count == 2 || $0.plainIndex == nil)
        }
        if let turned {
            throw OperationError(
                "\(checkpoint.path): '\(turned.name)' lies by its inputs, as GPT-2's weights do, and mlx-lm turns such weights only when dense",
                hint: "leave out the bits, and quantize with mlx_lm.convert")
        }
        let dropsHead = checkpoint.config?["tie_word_embeddings"]?.bool == true
        var items: [Item] = []
        var unquantized: [String] = []
        var scalarType: ScalarType?
        for tensor in checkpoint.tensors.sorted(by: { NaturalOrder.precedes($0.name, $1.name) }) {
            let role = LinearLayers.role(of: tensor.name, shape: tensor.shape)
            // What is tied is not stored there.
            if role == .head, dropsHead { continue }
            let isFloat = tensor.plainIndex == nil || tensor.scalarType.isQuantizable
            let ownType = isFloat ? type ?? (tensor.scalarType.isNarrowable ? tensor.scalarType : .f32) : tensor.scalarType
            guard role != .other, isFloat, tensor.name.hasSuffix(".weight") else {
                items.append(try Self.dense(tensor, isFloat ? ownType : nil))
                continue
            }
            guard let columns = tensor.shape.dimensions.last, columns % groupSize == 0 else {
                unquantized.append(tensor.name)
                items.append(try Self.dense(tensor, ownType))
                continue
            }
            scalarType = scalarType ?? ownType
            items.append(try Self.quantized(tensor, MLXQuantizer(bits: bits, groupSize: groupSize, scalarType: ownType)))
        }
        guard let scalarType else {
            throw OperationError("\(checkpoint.path) has no weight of whole groups of \(groupSize)", hint: "try smaller groups")
        }
        self.checkpoint = checkpoint
        (self.bits, self.groupSize, self.items) = (bits, groupSize, items)
        self.unquantized = unquantized
        self.scalarType = scalarType
    }

    package var byteCount: Int { items.reduce(0) { $0 + $1.outputs.reduce(0) { $0 + $1.byteCount } } }

    /// Items in files of at most `limit` bytes, unless one has more; in the order of the names.
    func shards(maximumByteCount limit: Int) -> [Range<Int>] {
        var shards: [Range<Int>] = []
        var (start, byteCount) = (0, 0)
        for (index, item) in items.enumerated() {
            let own = item.outputs.reduce(0) { $0 + $1.byteCount }
            if index > start, byteCount + own > limit {
                shards.append(start..<index)
                (start, byteCount) = (index, 0)
            }
            byteCount += own
        }
        return shards + [start..<items.count]
    }

    /// config.json of the folder.
    func config(_ config: JSONObject) -> JSONValue {
        guard case .object(var result) = HuggingFaceConfig.dense(config, scalarType: scalarType, wasPacked: true) else {
            return .object(config)
        }
        let settings: JSONValue = .object([
            "group_size": .integer(groupSize), "bits": .integer(bits), "mode": .string("affine"),
        ])
        result["quantization"] = settings
        result["quantization_config"] = settings
        return .object(result)
    }

    /// - Parameter type: nil of what is no float.
    private static func dense(_ tensor: LogicalTensor, _ type: ScalarType?) throws -> Item {
        if let index = tensor.plainIndex, type == nil || type == tensor.scalarType {
            return Item(tensor: tensor, content: .copy(index), outputs: [try info(tensor.name, tensor.scalarType, tensor.shape.dimensions)])
        }
        let type = type ?? .f32
        return Item(tensor: tensor, content: .dense(type), outputs: [try info(tensor.name, type, tensor.shape.dimensions)])
    }

    private static func quantized(_ tensor: LogicalTensor, _ quantizer: MLXQuantizer) throws -> Item {
        let leading = Array(tensor.shape.dimensions.dropLast()), columns = tensor.shape.dimensions[leading.count]
        let module = tensor.name.dropLast(".weight".count), groups = leading + [columns / quantizer.groupSize]
        return Item(
            tensor: tensor, content: .quantized(quantizer),
            outputs: [
                try info(tensor.name, .u32, leading + [columns * quantizer.bits / 32]),
                try info(module + ".scales", quantizer.scalarType, groups), try info(module + ".biases", quantizer.scalarType, groups),
            ])
    }

    private static func info(_ name: some StringProtocol, _ type: ScalarType, _ dimensions: [Int]) throws -> TensorInfo {
        guard let shape = Shape(dimensions), let info = TensorInfo(name: String(name), scalarType: type, shape: shape) else {
            throw OperationError("tensor '\(name)' of shape \(dimensions) is too large as \(type.rawValue)")
        }
        return info
    }
}
