import ByteIO
import Checkpoints
import Quantization
import TensorCore
import Transformer

/// Makes the weights of a model out of the tensors of a checkpoint: matrices in place, vectors as arrays.
struct WeightReading {
    private let checkpoint: Checkpoint
    private let configuration: ModelConfiguration
    private let index: WeightIndex
    private let memory: WeightMemory

    init(_ checkpoint: Checkpoint, _ configuration: ModelConfiguration, _ index: WeightIndex) {
        self.checkpoint = checkpoint
        self.configuration = configuration
        self.index = index
        memory = WeightMemory(checkpoint.source)
    }

    func weights() throws(FileError) -> ModelWeights {
        let embedding = EmbeddingTable(name: configuration.embeddingName, matrix: try matrix(configuration.embeddingName))
        let positionsName = configuration.namePrefix + "wpe"
        let positions =
            configuration.rotary == nil ? EmbeddingTable(name: positionsName, matrix: try matrix(positionsName)) : nil
        var layers: [LayerWeights] = []
        for layer in 0..<configuration.layerCount {
            layers.append(try configuration.family == .gpt2 ? gpt2Layer(layer) : llamaLayer(layer))
        }
        let headMatrix = try configuration.hasTiedHead ? embedding.matrix : matrix(configuration.headName)
        return ModelWeights(
            embedding: embedding, positions: positions, layers: layers, finalNorm: try norm(configuration.finalNormName),
            head: LinearLayer(name: configuration.headName, matrix: headMatrix, bias: nil))
    }

    private func gpt2Layer(_ layer: Int) throws(FileError) -> LayerWeights {
        let prefix = configuration.layerPrefix(layer)
        return LayerWeights(
            attentionNorm: try norm(prefix + "ln_1"), attentionInputs: [try linear(prefix + "attn.c_attn")],
            attentionOutput: try linear(prefix + "attn.c_proj"), mlpNorm: try norm(prefix + "ln_2"),
            mlpInputs: [try linear(prefix + "mlp.c_fc")], mlpOutput: try linear(prefix + "mlp.c_proj"))
    }

    private func llamaLayer(_ layer: Int) throws(FileError) -> LayerWeights {
        let prefix = configuration.layerPrefix(layer)
        let hasNorms = configuration.hasQueryKeyNorm
        return LayerWeights(
            attentionNorm: try norm(prefix + "input_layernorm"),
            attentionInputs: [
                try linear(prefix + "self_attn.q_proj"), try linear(prefix + "self_attn.k_proj"), try linear(prefix + "self_attn.v_proj"),
            ],
            queryNorm: try hasNorms ? norm(prefix + "self_attn.q_norm") : nil,
            keyNorm: try hasNorms ? norm(prefix + "self_attn.k_norm") : nil,
            attentionOutput: try linear(prefix + "self_attn.o_proj"), mlpNorm: try norm(prefix + "post_attention_layernorm"),
            mlpInputs: [try linear(prefix + "mlp.gate_proj"), try linear(prefix + "mlp.up_proj")],
            mlpOutput: try linear(prefix + "mlp.down_proj"))
    }

    private func linear(_ module: String) throws(FileError) -> LinearLayer {
        LinearLayer(name: module, matrix: try matrix(module), bias: try vector(module + ".bias"))
    }

    private func norm(_ module: String) throws(FileError) -> NormWeights {
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
        let (dimensions, isConv1D) = (entry.expected.dimensions, entry.expected.isConv1D)
        switch entry.tensor.storage {
        case .plain(let stored):
            return WeightMatrix(
                dense: try memory.bytes(ofTensor: stored), of: entry.tensor.scalarType, outputCount: dimensions[isConv1D ? 1 : 0],
                inputCount: dimensions[isConv1D ? 0 : 1], isTransposed: isConv1D, owner: memory)
        case .quantized(let quantized): return try packedMatrix(quantized)
        }
    }

    private func packedMatrix(_ tensor: QuantizedTensor) throws(FileError) -> WeightMatrix {
        // Reads the codebook, and refuses one with values that are not finite.
        let reader = try QuantizedReader(source: checkpoint.source, tensor: tensor)
        let absmax = try memory.bytes(ofTensor: tensor.absmax)
        let constants: WeightMatrix.Constants
        if let parts = tensor.nested, let nested = tensor.state.nested {
            constants = .nested(
                codes: absmax, absmax: try memory.bytes(ofTensor: parts.absmax), map: try memory.bytes(ofTensor: parts.quantMap), nested)
        } else {
            constants = .plain(absmax)
        }
        return WeightMatrix(
            codes: try memory.bytes(ofTensor: tensor.codes), constants: constants, quantMap: reader.quantMap, state: tensor.state,
            owner: memory)
    }
}
