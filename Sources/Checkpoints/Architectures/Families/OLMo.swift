import JSONText

/// OLMo 1: LayerNorm without weights, clipped queries, keys and values. OLMo 2: norms after the branches alone, and of all heads of
/// queries and keys together. OLMo 3: the same with layers that slide and rotate by frequencies of their own.
enum OLMo {
    static let architectures = [
        Architecture(
            modelType: "olmo", classPrefixes: ["Olmo"], spelling: Llama.spelling.without([.attentionNorm, .feedForwardNorm, .finalNorm]),
            gguf: .olmo, members: Llama.members.union(["attention_bias", "clip_qkv"]), describe: olmo),
        Architecture(
            modelType: "olmo2", classPrefixes: ["Olmo2"], spelling: later, gguf: .olmo2, members: Llama.members.union(["attention_bias"]),
            describe: olmo2
        ),
        Architecture(
            modelType: "olmo3", classPrefixes: ["Olmo3"], spelling: later, gguf: .olmo3,
            members: Llama.members.union(["attention_bias", "sliding_window", "layer_types"]), describe: olmo3),
    ]

    /// `post_attention_layernorm` follows attention here; in Llama it precedes the MLP.
    static let later = Llama.spelling.without([.attentionNorm, .feedForwardNorm]).with([
        .queryNorm: "self_attn.q_norm", .keyNorm: "self_attn.k_norm", .attentionPostNorm: "post_attention_layernorm",
        .feedForwardPostNorm: "post_feedforward_layernorm",
    ])

    private static func olmo(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: nil, contextLength: 2048), of: architecture)
        let hasBias = try fields.flag("attention_bias", default: false)
        let attention = sizes.attention(
            rotary: try fields.rotary(sizes), clip: try fields.cap("clip_qkv", default: nil), hasInputBias: hasBias, hasOutputBias: hasBias)
        return try Llama.describe(fields, architecture, sizes, norm: Norm(.layer, epsilon: 1e-5, hasWeight: false)) { _ in attention }
    }

    private static func olmo2(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: nil, contextLength: 2048), of: architecture)
        let rotary = try fields.rotary(sizes)
        return try describe(fields, architecture, sizes) { _ in (nil, rotary) }
    }

    private static func olmo3(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: nil, contextLength: 2048), of: architecture)
        let rotaries = try fields.rotariesByKind(sizes, theta: 500_000, slidingTheta: 500_000, slidingThetaKey: nil)
        let windows = try fields.windows(sizes, pattern: 4, default: 4096)
        return try describe(fields, architecture, sizes) { layer in
            (windows[layer], windows[layer] == nil ? rotaries.full : rotaries.sliding)
        }
    }

    private static func describe(
        _ fields: ConfigurationFields, _ architecture: Architecture, _ sizes: ConfigurationFields.Sizes,
        _ kind: (_ layer: Int) -> (window: Int?, rotary: RotaryEmbedding)
    ) throws(ModelError) -> ModelDescription {
        let norm = Norm(.rms, epsilon: try fields.epsilon("rms_norm_eps", default: 1e-5))
        let hasBias = try fields.flag("attention_bias", default: false)
        return try Llama.describe(fields, architecture, sizes, norm: norm, normPlacement: .after) { layer in
            let (window, rotary) = kind(layer)
            return sizes.attention(
                window: window, rotary: rotary, headNorm: norm, headNormScope: .allHeads, hasInputBias: hasBias, hasOutputBias: hasBias)
        }
    }
}
