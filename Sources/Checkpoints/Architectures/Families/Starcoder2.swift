import JSONText

/// StarCoder 2: grouped queries and rotary positions as in Llama, with LayerNorm, a plain MLP, and biases.
enum Starcoder2 {
    static let architectures = [
        Architecture(
            modelType: "starcoder2", classPrefixes: ["Starcoder2"],
            spelling: Llama.spelling.without([.gate]).with([.up: "mlp.c_fc", .down: "mlp.c_proj"]), isTiedByDefault: true,
            biasedRoles: [.attentionNorm, .feedForwardNorm, .finalNorm],
            gguf: .starcoder2, members: Llama.members.union(["norm_epsilon", "use_bias", "sliding_window"]), describe: describe)
    ]

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: 2, contextLength: 4096), of: architecture)
        let norm = Norm(.layer, epsilon: try fields.epsilon("norm_epsilon", default: 1e-5))
        let hasBias = try fields.flag("use_bias", default: true)
        let window = try fields.optionalCount("sliding_window", limit: ConfigurationFields.limit << 6)
        let attention = sizes.attention(
            window: window, rotary: try fields.rotary(sizes), hasInputBias: hasBias, hasOutputBias: hasBias)
        let feedForward = FeedForward(
            .plain, try fields.activation("hidden_act", default: .geluTanh), innerWidth: try fields.count("intermediate_size"),
            hasBias: hasBias)
        let layer = LayerDescription(norm: norm, attention: attention, feedForward: feedForward)
        return try fields.decoder(architecture, sizes, layers: Array(repeating: layer, count: sizes.layerCount), finalNorm: norm)
    }
}
