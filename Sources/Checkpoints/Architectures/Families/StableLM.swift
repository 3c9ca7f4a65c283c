import JSONText

/// StableLM: Llama with LayerNorm and a quarter of each head turned; branches may stand beside each other and share a norm.
enum StableLM {
    static let architectures = [
        Architecture(
            modelType: "stablelm", classPrefixes: ["StableLm"], spelling: Llama.spelling,
            biasedRoles: [.attentionNorm, .feedForwardNorm, .finalNorm], optionalRoles: [.feedForwardNorm],
            members: Llama.members.union(["layer_norm_eps", "use_qkv_bias", "qk_layernorm", "use_parallel_residual"]), describe: describe)
    ]

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        try fields.require("qk_layernorm", false, default: false)
        let sizes = try fields.sizes(.init(keyValueHeadCount: 32, contextLength: 4096), of: architecture)
        let attention = sizes.attention(
            rotary: try fields.rotary(sizes, .init(share: 0.25)), hasInputBias: try fields.flag("use_qkv_bias", default: false))
        let isParallel = try fields.flag("use_parallel_residual", default: false)
        return try Llama.describe(
            fields, architecture, sizes, norm: Norm(.layer, epsilon: try fields.epsilon("layer_norm_eps", default: 1e-5)),
            wiring: isParallel ? .parallel(sharesNorm: true) : .sequential
        ) { _ in attention }
    }
}
