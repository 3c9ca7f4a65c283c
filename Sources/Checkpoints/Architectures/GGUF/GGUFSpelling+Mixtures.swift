import JSONText

/// Families of mixtures whose experts are matrices of their own.
extension GGUFSpelling {
    /// Programs that run such files take every layer to have experts, whose weights are not divided by their sum.
    static let qwen2Mixture = GGUFSpelling(
        "qwen2moe",
        constants: JSONObject([
            "hidden_act": .string("silu"), "use_sliding_window": .bool(false), "norm_topk_prob": .bool(false),
            "decoder_sparse_step": .integer(1), "mlp_only_layers": .array([]),
        ]),
        numbers: [blockCount, contextLength, width, denseInnerWidth] + heads + [theta, epsilon] + expertNumbers,
        [
            expertInnerWidth,
            .count("expert_shared_feed_forward_length", "shared_expert_intermediate_size") { $0.mixture?.shared?.innerWidth },
        ], limits: [.ownHead, .evenHeads],
        complete: { config, contents in
            config["qkv_bias"] = .bool(contents.has("blk.0.attn_q.bias"))
            // The other name of this number means nothing to the family.
            config["num_experts"] = config["num_local_experts"]
            config["num_local_experts"] = nil
        })

    /// Weights of experts are not divided by their sum.
    static let olmoe = GGUFSpelling(
        "olmoe", constants: JSONObject(["hidden_act": .string("silu"), "norm_topk_prob": .bool(false)]),
        numbers: sizes + heads + [theta, epsilon] + expertNumbers, limits: [.ownHead, .evenHeads, .keyForEachHead])
}
