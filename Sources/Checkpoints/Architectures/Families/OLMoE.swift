/// OLMoE: experts in every layer, and norms of all heads of queries and keys together, as in OLMo 2.
enum OLMoE {
    static let architectures = [
        Architecture(
            modelType: "olmoe", classPrefixes: ["Olmoe"],
            spelling: QwenMixture.spelling.with([.queryNorm: "self_attn.q_norm", .keyNorm: "self_attn.k_norm"]),
            gguf: .olmoe, members: MixtureDecoder.members.union(["attention_bias", "clip_qkv", "norm_topk_prob"]), describe: describe)
    ]

    private static func describe(_ fields: ConfigurationFields, _ architecture: Architecture) throws(ModelError) -> ModelDescription {
        let decoder = try MixtureDecoder(fields, architecture, .init(keyValueHeadCount: nil, contextLength: 4096), epsilon: 1e-5)
        let sizes = decoder.sizes, hasBias = try fields.flag("attention_bias", default: false)
        let attention = sizes.attention(
            rotary: try fields.rotary(sizes), headNorm: decoder.norm, headNormScope: .allHeads,
            clip: try fields.cap("clip_qkv", default: nil), hasInputBias: hasBias, hasOutputBias: hasBias)
        let experts = try fields.expertCounts(layerCount: sizes.layerCount)
        let feedForward = try decoder.gated(
            "intermediate_size",
            Mixture(
                expertCount: experts.all, chosenCount: experts.chosen,
                weighting: .softmaxOfAll(sumsToOne: try fields.flag("norm_topk_prob", default: false))))
        return try decoder.description { _ in
            attention
        } feedForward: { _ in
            feedForward
        }
    }
}
