import JSONText

/// Families that are a Llama but for a few things.
extension GGUFSpelling {
    private static let constants = JSONObject(["hidden_act": .string("silu")])
    private static let start = sizes + heads + [theta, epsilon] + headWidths(.whereStated("head_dim"))

    /// Rotates nothing in every fourth layer, which no key says.
    static let smollm3 = GGUFSpelling(
        "smollm3", pairsRows: true,
        constants: JSONObject([
            "hidden_act": .string("silu"), "use_sliding_window": .bool(false), "no_rope_layer_interval": .integer(4),
        ]), numbers: start, [vocabulary, wholeWidth])

    static let granite = GGUFSpelling(
        "granite", pairsRows: true, takesFrequencyFactors: true,
        biases: [.query, .key, .value, .attentionOutput, .gate, .up, .down], constants: constants,
        numbers: sizes + heads + [theta, epsilon], [vocabulary, wholeWidth] + graniteFactors, limits: [.evenHeads])

    static let graniteFactors: [Number] = [
        .real("attention.scale", "attention_multiplier") { $0.layers.first.map { Double($0.attention.scale) } },
        .real("embedding_scale", "embedding_multiplier", or: .value(1)) { Double($0.embeddingScale) },
        .real("residual_scale", "residual_multiplier", or: .value(1)) { $0.layers.first.map { Double($0.branchFactor) } },
        .real("logit_scale", "logits_scaling") { 1 / Double($0.head.scale) },
    ]

    static let seedOSS = GGUFSpelling(
        "seed_oss", renamed: { _ in [.feedForwardNorm: "post_attention_norm"] },
        constants: JSONObject(["hidden_act": .string("silu"), "attention_out_bias": .bool(false)]), numbers: start)

    static let arcee = GGUFSpelling(
        "arcee", pairsRows: true, takesFrequencyFactors: true, constants: JSONObject(["hidden_act": .string("relu2")]), numbers: start,
        [vocabulary, wholeWidth])

    /// Norms of heads are of all heads together there.
    static let olmo2 = GGUFSpelling(
        "olmo2", constants: constants, numbers: sizes + heads + [theta, epsilon], limits: [.ownHead, .evenHeads])

    /// As files call it, an OLMo 2 some of whose layers slide: these rotate unscaled.
    static let olmo3 = GGUFSpelling(
        "olmo2", mark: "attention.sliding_window", slidingPeriod: 4, constants: constants,
        numbers: sizes + heads + [fullTheta, slidingTheta, epsilon], [window(or: .required), .slidingLayers(.always)],
        limits: [
            .ownHead, .evenHeads,
            .other { model in
                let full = fullTheta.value(model) ?? 10_000
                guard let sliding = slidingTheta.value(model), full != sliding else { return nil }
                return
                    "has layers that slide with a rotation of base \(sliding), but programs that run GGUF files of 'olmo2' take that of the "
                    + "others, \(full)"
            },
        ],
        complete: { config, contents in
            // Each kind of layer has settings of its own there.
            var full = config["rope_scaling"]?.object ?? JSONObject(["rope_type": .string("default")])
            var sliding = JSONObject(["rope_type": .string("default")])
            full["rope_theta"] = config["rope_theta"]
            sliding["rope_theta"] = contents.numbers["rope.freq_base_swa"].map { .double($0) }
            config["rope_theta"] = nil
            config["rope_scaling"] = nil
            config["rope_parameters"] = .object(JSONObject(["full_attention": .object(full), "sliding_attention": .object(sliding)]))
        })

    private static let fullTheta = Number.real("rope.freq_base", "rope_theta", or: .value(10_000)) {
        $0.layers.first { $0.attention.window == nil }?.attention.rotary?.theta
    }
    private static let slidingTheta = Number.real("rope.freq_base_swa", nil, or: .sameAs("rope.freq_base"), written: .whereUnusual) {
        $0.layers.first { $0.attention.window != nil }?.attention.rotary?.theta
    }

    /// Programs that run such files let layers slide where there are 64 of them, and nowhere else.
    static let exaone4 = GGUFSpelling(
        "exaone4", takesFrequencyFactors: true, slidingPeriod: 4, constants: constants, numbers: start,
        [vocabulary, window(or: .leftOut), .slidingLayers()],
        limits: [
            .evenHeads,
            .other { model in
                let slides = model.layers.contains { $0.attention.window != nil }
                guard slides != (model.layers.count == 64) else { return nil }
                return slides
                    ? "has \(model.layers.count) layers, some of which slide, but programs that run GGUF files of 'exaone4' let layers slide "
                        + "where there are 64"
                    : "has 64 layers, none of which slides, but programs that run GGUF files of 'exaone4' let layers slide where there are 64"
            },
        ],
        complete: { config, contents in
            let count = contents.numbers.count("block_count") ?? 0
            guard contents.numbers.count("attention.sliding_window") ?? 0 == 0, count < 1 << 16 else { return }
            // Absent it would be what the first such model had.
            config["sliding_window"] = count == 64 ? .integer(4096) : .null
            if count != 64 { config["layer_types"] = .array(Array(repeating: .string("full_attention"), count: count)) }
        })

    /// Half of each head turns, in neighbouring pairs here and there; gate and up are one matrix.
    static let glm4 = GGUFSpelling(
        "glm4", constants: constants, numbers: sizes + heads + [theta, epsilon] + headWidths(),
        [turnedWidth(or: .sameAs("attention.key_length"))],
        complete: { config, contents in setTurnedShare(&config, contents.numbers) })

    /// The same with norms before the branches alone.
    static let glm = GGUFSpelling(
        "chatglm", constants: constants,
        numbers: [contextLength, width, innerWidth, blockCount] + heads + [epsilon] + headWidths(.whereUnusual),
        [turnedWidth(or: .sameAs("attention.key_length")), theta], limits: [.evenHeads],
        complete: { config, contents in setTurnedShare(&config, contents.numbers) })

    /// Queries grow with their position beyond the context of pretraining. Programs that run such files take YaRN's factor of cosines
    /// from the multiplier of a logarithm.
    static let ministral3 = GGUFSpelling(
        "mistral3", pairsRows: true, takesFrequencyFactors: true, followsYarnBounds: true,
        constants: JSONObject(["hidden_act": .string("silu")]),
        numbers: start,
        [
            vocabulary, wholeWidth, .real(yarnMultiplier, nil, or: .value(0)) { yarn(of: $0)?.allDimensionsWeight },
            .real("attention.temperature_scale", nil, or: .value(0)) { $0.layers.first?.attention.temperature?.weight },
        ],
        complete: { config, contents in
            var rope = config["rope_scaling"]?.object ?? JSONObject(["rope_type": .string("default")])
            rope["rope_theta"] = config["rope_theta"]
            if let weight = contents.numbers["attention.temperature_scale"], weight != 0 {
                rope["llama_4_scaling_beta"] = .double(GGUFNumbers.shortest(weight))
            }
            config["rope_theta"] = nil
            config["rope_scaling"] = nil
            config["rope_parameters"] = .object(rope)
            config["sliding_window"] = .null
        })

    private static func yarn(of model: ModelDescription) -> YarnScaling? {
        guard case .yarn(let settings)? = model.layers.first?.attention.rotary?.scaling else { return nil }
        return settings
    }
}
