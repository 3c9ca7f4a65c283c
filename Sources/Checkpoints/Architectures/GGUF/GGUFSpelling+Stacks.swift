import JSONText

/// Families of mixtures whose experts are in one tensor elsewhere: files have gate and up apart.
extension GGUFSpelling {
    private static let silu = JSONObject(["hidden_act": .string("silu")])
    /// Of one expert, which config.json has as the width of all there is.
    private static let innerWidthOfExpert = Number.count("expert_feed_forward_length", "intermediate_size") { $0.innerWidthOfExpert }

    static let graniteMixture = GGUFSpelling(
        "granitemoe", pairsRows: true, takesFrequencyFactors: true, biases: [.query, .key, .value, .attentionOutput], constants: silu,
        numbers: sizes + heads + [theta, epsilon] + expertNumbers, [vocabulary, wholeWidth] + graniteFactors, limits: [.evenHeads])

    /// Programs that run such files let every other layer slide, keep gates within 7, and take 1.702 for the factor in them.
    static let gptOSS = GGUFSpelling(
        "gpt-oss", slidingPeriod: 2, hasRoundedYarn: true, keepsMXFP4: true, renamed: { _ in [.feedForwardNorm: "post_attention_norm"] },
        biases: [.query, .key, .value, .attentionOutput, .router, .expertGateUp, .expertDown], constants: silu,
        numbers: [
            blockCount, contextLength, width, .count("feed_forward_length", nil, or: .leftOut) { $0.innerWidthOfExpert },
        ] + heads + [theta, epsilon] + expertNumbers + headWidths(),
        [window(or: .required), innerWidthOfExpert], limits: [.ownHead, .biases([.attentionOutput])],
        complete: { config, _ in
            // Absent it would be what the first such model had.
            var rope = config["rope_scaling"]?.object ?? JSONObject(["rope_type": .string("default")])
            rope["rope_theta"] = config["rope_theta"]
            config["rope_theta"] = nil
            config["rope_scaling"] = nil
            config["rope_parameters"] = .object(rope)
        })

    /// Programs that run such files take chunks of 8192, and queries of every fourth layer, which turns nothing, to grow by 0.1 every
    /// 8192 positions; heads have norms but in the model of 128 experts.
    static let llama4 = GGUFSpelling(
        "llama4", takesFrequencyFactors: true, biases: [], constants: silu,
        numbers: [
            blockCount, contextLength, width,
            .count("feed_forward_length", "intermediate_size_mlp", or: .leftOut) { model in
                model.layers.first { $0.feedForward.mixture == nil }?.feedForward.innerWidth
            },
        ] + heads + [theta, epsilon] + expertNumbers + headWidths(),
        [
            vocabulary, wholeWidth,
            .count("interleave_moe_layer_step", "interleave_moe_layer_step") { model in
                model.layers.firstIndex { $0.feedForward.mixture != nil }.map { $0 + 1 }
            },
            innerWidthOfExpert,
        ],
        complete: { config, contents in config["use_qk_norm"] = .bool(contents.numbers.count(expertCount) != 128) })
}

extension ModelDescription {
    /// I of the first layer that has experts.
    fileprivate var innerWidthOfExpert: Int? { layers.first { $0.feedForward.mixture != nil }?.feedForward.innerWidth }
}
