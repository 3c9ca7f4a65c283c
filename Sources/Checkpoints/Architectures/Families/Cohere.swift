import JSONText

/// Command R (`cohere`) and Command R7B (`cohere2`): LayerNorm without bias, one for both branches, which stand beside each other; heads
/// turned in neighbouring pairs; logits times a factor. Cohere 1 may have norms of heads, each with weights of its own; in Cohere 2
/// only layers that slide rotate.
enum Cohere {
    static let architectures = [
        Architecture(
            modelType: "cohere", classPrefixes: ["Cohere"],
            spelling: spelling.with([.queryNorm: "self_attn.q_norm", .keyNorm: "self_attn.k_norm"]), isTiedByDefault: true,
            optionalRoles: [.queryNorm, .keyNorm], gguf: .cohere, members: members.union(["use_qk_norm"]), describe: cohere),
        Architecture(
            modelType: "cohere2", classPrefixes: ["Cohere2"], spelling: spelling, isTiedByDefault: true, gguf: .cohere2,
            members: members.union(["sliding_window", "sliding_window_pattern", "layer_types"]), describe: cohere2),
    ]

    private static let spelling = Llama.spelling.without([.feedForwardNorm])
    private static let members = Llama.members.union(["attention_bias", "layer_norm_eps", "logit_scale"])

    private static func cohere(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: nil, contextLength: 8192), of: architecture)
        let rotary = try fields.rotary(sizes, .init(theta: 500_000, pairing: .neighbours))
        let hasNorms = try fields.flag("use_qk_norm", default: false)
        return try describe(fields, architecture, sizes) { norm, hasBias, _ in
            sizes.attention(
                rotary: rotary, headNorm: hasNorms ? norm : nil, headNormScope: .headsApart, hasInputBias: hasBias, hasOutputBias: hasBias)
        }
    }

    private static func cohere2(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: nil, contextLength: 8192), of: architecture)
        // transformers has no other width, whatever is stated.
        guard sizes.headWidth * sizes.headCount == sizes.width else {
            throw ModelError(
                "config.json: head_dim is \(sizes.headWidth), but a cohere2 of \(sizes.headCount) heads divides \(sizes.width)")
        }
        let rotary = try fields.rotary(sizes, .init(pairing: .neighbours))
        let windows = try fields.windows(sizes, pattern: try fields.optionalCount("sliding_window_pattern") ?? 4, default: 4096)
        return try describe(fields, architecture, sizes) { _, hasBias, layer in
            sizes.attention(
                window: windows[layer], rotary: windows[layer] == nil ? nil : rotary, hasInputBias: hasBias, hasOutputBias: hasBias)
        }
    }

    private static func describe(
        _ fields: ConfigurationFields, _ architecture: Architecture, _ sizes: ConfigurationFields.Sizes,
        _ attention: (_ norm: Norm, _ hasBias: Bool, _ layer: Int) -> Attention
    ) throws(ModelError) -> ModelDescription {
        let norm = Norm(.layer, epsilon: try fields.epsilon("layer_norm_eps", default: 1e-5), hasBias: false)
        let hasBias = try fields.flag("attention_bias", default: false)
        return try Llama.describe(
            fields, architecture, sizes, norm: norm, wiring: .parallel(sharesNorm: true),
            headScale: try fields.factor("logit_scale", default: 0.0625)
        ) { attention(norm, hasBias, $0) }
    }
}
