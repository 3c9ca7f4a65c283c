import JSONText

/// StableLM: Llama with LayerNorm and a quarter of each head turned; branches may stand beside each other and share a norm, and heads may
/// have norms, each with weights of its own, which are stored one by one (StableLM 2 of 12B has both).
enum StableLM {
    static let architectures = [
        Architecture(
            modelType: "stablelm", classPrefixes: ["StableLm"],
            spelling: Llama.spelling.with([.queryNorm: "self_attn.q_layernorm", .keyNorm: "self_attn.k_layernorm"]),
            biasedRoles: [.attentionNorm, .feedForwardNorm, .finalNorm], optionalRoles: [.feedForwardNorm, .queryNorm, .keyNorm],
            gguf: .stableLM, members: Llama.members.union(["layer_norm_eps", "use_qkv_bias", "qk_layernorm", "use_parallel_residual"]),
            describe: describe)
    ]

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let sizes = try fields.sizes(.init(keyValueHeadCount: 32, contextLength: 4096), of: architecture)
        let epsilon = try fields.epsilon("layer_norm_eps", default: 1e-5)
        let headNorm = Norm(.layer, epsilon: epsilon, hasBias: false)
        let attention = sizes.attention(
            rotary: try fields.rotary(sizes, .init(share: 0.25)),
            headNorm: try fields.flag("qk_layernorm", default: false) ? headNorm : nil, headNormScope: .headsInParts,
            hasInputBias: try fields.flag("use_qkv_bias", default: false))
        let isParallel = try fields.flag("use_parallel_residual", default: false)
        return try Llama.describe(
            fields, architecture, sizes, norm: Norm(.layer, epsilon: epsilon),
            wiring: isParallel ? .parallel(sharesNorm: true) : .sequential
        ) { _ in attention }
    }
}
