import JSONText

/// Llama with a plain MLP and the square of a ReLU: Arcee, and Nemotron, whose LayerNorms have weights from 0 on and which turns half
/// of each head.
enum Nemotron {
    static let architectures = [
        Architecture(
            modelType: "arcee", classPrefixes: ["Arcee"], spelling: spelling, gguf: .arcee,
            members: Llama.members.union(["attention_bias", "mlp_bias"]),
            describe: arcee),
        Architecture(
            modelType: "nemotron", classPrefixes: ["Nemotron"], spelling: spelling,
            biasedRoles: [.attentionNorm, .feedForwardNorm, .finalNorm],
            gguf: .nemotron, members: Llama.members.union(["attention_bias", "mlp_bias", "norm_eps"]), describe: nemotron),
    ]

    private static let spelling = Llama.spelling.without([.gate])

    private static func arcee(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: nil, contextLength: 4096), of: architecture)
        let norm = Norm(.rms, epsilon: try fields.epsilon("rms_norm_eps", default: 1e-5))
        return try describe(fields, architecture, sizes, norm, try fields.rotary(sizes))
    }

    private static func nemotron(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: nil, contextLength: 4096), of: architecture)
        let norm = Norm(.layer, epsilon: try fields.epsilon("norm_eps", default: 1e-5), addsOne: true)
        return try describe(fields, architecture, sizes, norm, try fields.rotary(sizes, .init(share: 0.5)))
    }

    private static func describe(
        _ fields: ConfigurationFields, _ architecture: Architecture, _ sizes: ConfigurationFields.Sizes, _ norm: Norm,
        _ rotary: RotaryEmbedding
    ) throws(ModelError) -> ModelDescription {
        let hasBias = try fields.flag("attention_bias", default: false)
        let feedForward = FeedForward(
            .plain, try fields.activation("hidden_act", default: .reluSquared), innerWidth: try fields.count("intermediate_size"),
            hasBias: try fields.flag("mlp_bias", default: false))
        let layer = LayerDescription(
            norm: norm, attention: sizes.attention(rotary: rotary, hasInputBias: hasBias, hasOutputBias: hasBias), feedForward: feedForward)
        return try fields.decoder(architecture, sizes, layers: Array(repeating: layer, count: sizes.layerCount), finalNorm: norm)
    }
}
