import ByteIO
import TensorCore
package import Transformer

/// Puts the layers of a model together, and the parameters that are trained.
struct NetworkBuilder {
    private let configuration: ModelConfiguration
    private let tensors: FrozenTensors
    private let tuning: Tuning
    private let expected: [String: ExpectedTensor]
    private let parameters: ParameterSet
    /// Slots by the names of their tensors.
    private let slots: [String: Int]
    /// Modules that are tuned, in order: their numbers are those of their random streams.
    private let modules: [String: Int]

    /// - Throws: where there is no memory for what is trained.
    static func build(_ configuration: ModelConfiguration, _ weights: ModelWeights, tuning: Tuning) throws(FileError) -> Network {
        try NetworkBuilder(configuration, weights, tuning: tuning).network()
    }

    private init(_ configuration: ModelConfiguration, _ weights: ModelWeights, tuning: Tuning) throws(FileError) {
        self.configuration = configuration
        tensors = FrozenTensors(weights)
        self.tuning = tuning
        let all = configuration.expectedTensors
        expected = Dictionary(all.map { ($0.name, $0) }) { first, _ in first }
        var planned: [(name: String, shape: Shape)] = []
        var modules: [String: Int] = [:]
        switch tuning {
        case .full: planned = all.map { ($0.name, Self.shape($0.dimensions)) }
        case .lowRank(let settings, _):
            for tensor in configuration.linearWeights where settings.isTarget(tensor.module) {
                modules[tensor.module] = modules.count
                let (inputs, outputs) = tensor.sizes
                planned.append((LowRankFactor(module: tensor.module, kind: .a).name, Self.shape([settings.rank, inputs])))
                planned.append((LowRankFactor(module: tensor.module, kind: .b).name, Self.shape([outputs, settings.rank])))
            }
        }
        parameters = try ParameterSet(planned)
        slots = Dictionary(parameters.slots.enumerated().map { ($1.name, $0) }) { first, _ in first }
        self.modules = modules
        initialize()
    }

    /// Sizes that the configuration was checked for.
    private static func shape(_ dimensions: [Int]) -> Shape {
        guard let shape = Shape(dimensions) else { preconditionFailure("a checked configuration has shapes that can be counted") }
        return shape
    }

    /// Full tuning begins with the model's weights; LoRA with A uniform within 1 / sqrt(in), as PEFT does, and B zero.
    private func initialize() {
        switch tuning {
        case .full:
            for (index, slot) in parameters.slots.enumerated() {
                let values = tensors.floats(slot.name)
                precondition(values.count == slot.count, "a loaded tensor has the shape of its configuration")
                parameters.value(index).update(from: values, count: slot.count)
            }
        case .lowRank(_, let seed):
            for (index, slot) in parameters.slots.enumerated() where index % 2 == 0 {
                var random = RandomStreams.initialization(seed: seed, tensor: index)
                let bound = 1 / Float(slot.shape.dimensions[1]).squareRoot()
                let values = parameters.value(index)
                for element in 0..<slot.count { values[element] = (2 * random.uniform() - 1) * bound }
            }
        }
    }

    private func network() throws(FileError) -> Network {
        let c = configuration
        let table = matrix(c.embeddingName + ".weight")
        let positions = c.family == .gpt2 ? try vector(c.namePrefix + "wpe.weight") : nil
        let head = OutputHead(
            norm: try norm(c.finalNormName, width: c.width), weight: c.hasTiedHead ? table : matrix(c.headName + ".weight"))
        return Network(
            configuration: c, tuning: tuning, tunedModules: modules.keys.sorted(), parameters: parameters,
            embedding: EmbeddingLayer(tokens: table, positions: positions),
            blocks: try (0..<c.layerCount).map { (index) throws(FileError) in try block(index) }, head: head)
    }

    private func block(_ index: Int) throws(FileError) -> TransformerBlock {
        let c = configuration
        let prefix = c.layerPrefix(index)
        let attention = CausalAttention(
            headCount: c.headCount, keyValueHeadCount: c.keyValueHeadCount, headWidth: c.headWidth, scale: c.attentionScale(layer: index),
            window: c.slidingWindows[index])
        if c.family == .gpt2 {
            return TransformerBlock(
                attentionNorm: try norm(prefix + "ln_1", width: c.width), projections: .fused(try linear(prefix + "attn.c_attn")),
                headNorms: nil, attention: attention, output: try linear(prefix + "attn.c_proj"),
                mlpNorm: try norm(prefix + "ln_2", width: c.width),
                mlp: .plain(
                    inner: try linear(prefix + "mlp.c_fc"), outer: try linear(prefix + "mlp.c_proj"), activation: c.activation))
        }
        let attentionPrefix = prefix + "self_attn."
        let headNorms: (query: NormLayer, key: NormLayer)? =
            c.hasQueryKeyNorm
            ? (try norm(attentionPrefix + "q_norm", width: c.headWidth), try norm(attentionPrefix + "k_norm", width: c.headWidth)) : nil
        return TransformerBlock(
            attentionNorm: try norm(prefix + "input_layernorm", width: c.width),
            projections: .separate(
                q: try linear(attentionPrefix + "q_proj"), k: try linear(attentionPrefix + "k_proj"),
                v: try linear(attentionPrefix + "v_proj")),
            headNorms: headNorms, attention: attention, output: try linear(attentionPrefix + "o_proj"),
            mlpNorm: try norm(prefix + "post_attention_layernorm", width: c.width),
            mlp: .gated(
                gate: try linear(prefix + "mlp.gate_proj"), up: try linear(prefix + "mlp.up_proj"),
                down: try linear(prefix + "mlp.down_proj")))
    }

    // MARK: layers

    private func linear(_ module: String) throws(FileError) -> TunableLinear {
        let weight = matrix(module + ".weight")
        return TunableLinear(weight: weight, bias: try vector(module + ".bias"), update: update(module, weight))
    }

    private func norm(_ module: String, width: Int) throws(FileError) -> NormLayer {
        guard let weight = try vector(module + ".weight") else { preconditionFailure("every norm has a weight") }
        return NormLayer(width: width, epsilon: configuration.normEpsilon, weight: weight, bias: try vector(module + ".bias"))
    }

    private func update(_ module: String, _ weight: BaseWeight) -> LowRankBranch? {
        guard case .lowRank(let settings, _) = tuning, let number = modules[module],
            let a = slots[LowRankFactor(module: module, kind: .a).name], let b = slots[LowRankFactor(module: module, kind: .b).name]
        else { return nil }
        return LowRankBranch(
            rank: settings.rank, inputCount: weight.inputCount, outputCount: weight.outputCount, scaling: Float(settings.scaling),
            a: parameters.value(a), b: parameters.value(b), da: parameters.gradient(a), db: parameters.gradient(b),
            dropout: Float(settings.dropout), site: number, owner: parameters)
    }

    /// Nil where the model has no such tensor.
    private func vector(_ name: String) throws(FileError) -> VectorParameter? {
        guard expected[name] != nil else { return nil }
        if let slot = slots[name] { return VectorParameter(parameters, slot: slot) }
        return try VectorParameter(tensors.floats(name))
    }

    private func matrix(_ name: String) -> BaseWeight {
        guard let slot = slots[name], let tensor = expected[name] else { return .frozen(tensors.matrix(name)) }
        return .trained(DenseWeight(parameters, slot: slot, of: tensor))
    }
}

extension ExpectedTensor {
    /// The name without its last part.
    var module: String { String(name.prefix(upTo: name.lastIndex(of: ".") ?? name.endIndex)) }

    /// Of a matrix, whichever way it lies.
    var sizes: (inputs: Int, outputs: Int) {
        isConv1D ? (dimensions[0], dimensions[1]) : (dimensions[1], dimensions[0])
    }
}

extension ModelConfiguration {
    /// Names of the linear layers of all blocks, in order.
    package var linearModules: [String] { linearWeights.map(\.module) }

    /// Weights of the linear layers of all blocks, in order: every matrix but embeddings and head.
    var linearWeights: [ExpectedTensor] {
        let prefix = String(layerPrefix(0).dropLast("0.".count))
        return expectedTensors.filter { $0.dimensions.count == 2 && $0.name.hasPrefix(prefix) }
    }
}
