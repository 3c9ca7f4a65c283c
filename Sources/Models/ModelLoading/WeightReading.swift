import Architectures
import ByteIO
import Checkpoints
import Quantization
import TensorCore
import Transformer

/// Makes the weights of a model out of the tensors of a checkpoint: matrices in place, vectors as arrays.
struct WeightReading {
    private let checkpoint: Checkpoint
    private let model: ModelDescription
    private let index: WeightIndex
    private let memory: WeightMemory

    init(_ checkpoint: Checkpoint, _ model: ModelDescription, _ index: WeightIndex) {
        self.checkpoint = checkpoint
        self.model = model
        self.index = index
        memory = WeightMemory(checkpoint.source)
    }

    func weights() throws(FileError) -> ModelWeights {
        var weights = try outside()
        for number in model.layers.indices { weights.layers.append(try layer(number)) }
        return weights
    }

    /// All but the layers.
    func outside() throws(FileError) -> ModelWeights {
        let embedding = try table(.embedding)
        let positions = try model.hasLearnedPositions ? table(.positions) : nil
        let head = model.name(.head)
        var weights = ModelWeights(
            embedding: embedding, positions: positions,
            embeddingNorm: try model.embeddingNorm.map { kind throws(FileError) in
                try norm(ModuleKey(.embeddingNorm), kind, width: model.width)
            },
            layers: [], finalNorm: try norm(ModuleKey(.finalNorm), model.finalNorm, width: model.width),
            head: LinearLayer(
                name: head, matrix: try model.head.isTied ? embedding.matrix : matrix(head), bias: try vector(head + ".bias")))
        if model.embeddingWidth != model.width {
            weights.inputProjection = try linear(model.name(.inputProjection))
            weights.outputProjection = try linear(model.name(.outputProjection))
        }
        return weights
    }

    func layer(_ number: Int) throws(FileError) -> LayerWeights {
        let layer = model.layers[number]
        var linears: [TensorRole: LinearLayer] = [:]
        var norms: [TensorRole: NormWeights] = [:]
        for role in layer.linearRoles { linears[role] = try linear(model.name(role, layer: number)) }
        for role in layer.normRoles {
            let (width, rows, kind) = layer.norm(role, width: model.width)
            norms[role] = try norm(ModuleKey(role, layer: number), kind, width: width, rows: rows)
        }
        let sinks = try layer.attention.hasSinks ? vector(model.spelling.tensor(ModuleKey(.sinks, layer: number), .weight)) : nil
        return LayerWeights(linears: linears, norms: norms, experts: try experts(layer.feedForward, number), sinks: sinks ?? [])
    }

    private func experts(_ feedForward: FeedForward, _ layer: Int) throws(FileError) -> [ExpertWeights] {
        guard let mixture = feedForward.mixture else { return [] }
        var experts = [[TensorRole: LinearLayer]](repeating: [:], count: mixture.expertCount)
        for role in mixture.expertRoles {
            for (number, linear) in try linears(role, layer, mixture).enumerated() { experts[number][role] = linear }
        }
        return experts.map { ExpertWeights($0) }
    }

    /// Of each expert, one of its layers.
    private func linears(_ role: TensorRole, _ layer: Int, _ mixture: Mixture) throws(FileError) -> [LinearLayer] {
        var layers: [LinearLayer] = []
        guard mixture.storage != .separate else {
            for expert in 0..<mixture.expertCount {
                layers.append(try linear(model.spelling.module(ModuleKey(role, layer: layer, expert: expert))))
            }
            return layers
        }
        let key = ModuleKey(role, layer: layer), name = model.spelling.tensor(key, .weight)
        guard let entry = index[name] else { preconditionFailure("every weight is among the expected tensors") }
        let bias = try vector(model.spelling.tensor(key, .bias))
        let stack = try WeightStack(entry, name: name, checkpoint, memory)
        for expert in 0..<mixture.expertCount {
            let matrix = stack.matrix(expert), outputs = matrix.outputCount
            layers.append(
                LinearLayer(
                    name: "\(model.spelling.module(key)).\(expert)", matrix: matrix,
                    bias: bias.map { Array($0[expert * outputs..<(expert + 1) * outputs]) }))
        }
        return layers
    }

    private func table(_ role: TensorRole) throws(FileError) -> EmbeddingTable {
        let name = model.name(role)
        return EmbeddingTable(name: name, matrix: try matrix(name))
    }

    private func linear(_ module: String) throws(FileError) -> LinearLayer {
        LinearLayer(name: module, matrix: try matrix(module), bias: try vector(module + ".bias"))
    }

    private func norm(_ key: ModuleKey, _ norm: Norm, width: Int, rows: Int = 1) throws(FileError) -> NormWeights {
        guard norm.hasWeight else { return NormWeights(name: "", weight: Array(repeating: 1, count: width)) }
        let module = model.spelling.module(key)
        if index[model.spelling.part(0, of: key) + ".weight"] != nil {
            var weight: [Float] = []
            for row in 0..<rows { weight += try vector(model.spelling.part(row, of: key) + ".weight") ?? [] }
            return NormWeights(name: module, weight: weight)
        }
        guard let weight = try vector(module + ".weight") else { preconditionFailure("every norm is among the expected tensors") }
        return NormWeights(name: module, weight: weight, bias: try vector(module + ".bias"))
    }

    /// A small tensor as float32; nil where the configuration has none of that name.
    private func vector(_ name: String) throws(FileError) -> [Float]? {
        guard let tensor = index[name]?.tensor else { return nil }
        guard case .plain(let stored) = tensor.storage else { preconditionFailure("only matrices are 4-bit") }
        let bytes = try memory.bytes(ofTensor: stored)
        var values = [Float](repeating: 0, count: tensor.elementCount)
        var span = values.mutableSpan
        FloatConversion.widen(RawSpan(_unsafeBytes: bytes), of: tensor.scalarType, into: &span)
        return values
    }

    private func matrix(_ module: String) throws(FileError) -> WeightMatrix {
        guard let entry = index[module + ".weight"] else { preconditionFailure("every weight is among the expected tensors") }
        let sizes = entry.expected.sizes
        switch entry.tensor.storage {
        case .plain(let stored):
            return WeightMatrix(
                dense: try memory.bytes(ofTensor: stored), of: entry.tensor.scalarType, outputCount: sizes.outputs,
                inputCount: sizes.inputs, orientation: entry.expected.orientation, owner: memory)
        case .quantized(let quantized): return try packedMatrix(quantized)
        case .encoded(let encoded):
            guard let format = entry.tensor.blockFormat else { return try decodedMatrix(entry.tensor) }
            return WeightMatrix(
                blocks: try memory.bytes(ofTensor: encoded.parts[0]), of: format, outputCount: sizes.outputs, inputCount: sizes.inputs,
                owner: memory)
        }
    }

    private func decodedMatrix(_ tensor: LogicalTensor) throws(FileError) -> WeightMatrix {
        let decoded = try DecodedWeight(checkpoint, tensor)
        return WeightMatrix(
            dense: UnsafeRawBufferPointer(decoded.memory.buffer), of: decoded.type, outputCount: decoded.rows, inputCount: decoded.columns,
            owner: decoded.memory)
    }

    private func packedMatrix(_ tensor: QuantizedTensor) throws(FileError) -> WeightMatrix {
        try PackedWeight(tensor, checkpoint, memory).matrix(0)
    }
}

extension LogicalTensor {
    /// Whether it is multiplied by where it lies, though it is none of the forms that are copied as they are.
    var hasKernels: Bool {
        if blockFormat != nil { return true }
        return if case .encoded(let encoded) = storage { encoded.encoding is MXFP4 } else { false }
    }

    /// Of rows of blocks, which are multiplied by where they lie; nil of everything else.
    var blockFormat: BlockFormat? {
        if case .encoded(let encoded) = storage { (encoded.encoding as? BlockEncoding)?.format } else { nil }
    }
}
