import JSONText

extension GGUFSpelling {
    // Sizes, and the numbers of attention, in the order in which converters write them.
    static let blockCount = Number.count("block_count", "num_hidden_layers") { $0.layers.count }
    static let contextLength = Number.count("context_length", "max_position_embeddings") { $0.contextLength }
    static let width = Number.count("embedding_length", "hidden_size") { $0.width }
    static let innerWidth = Number.count("feed_forward_length", "intermediate_size") { $0.layers.first?.feedForward.innerWidth }
    static let sizes = [blockCount, contextLength, width, innerWidth]
    static let gemmaSizes = [contextLength, width, blockCount, innerWidth]
    static let heads: [Number] = [
        .count("attention.head_count", "num_attention_heads") { $0.layers.first?.attention.headCount },
        .count("attention.head_count_kv", "num_key_value_heads", or: .sameAs("attention.head_count")) {
            $0.layers.first?.attention.keyValueHeadCount
        },
    ]
    static let theta = Number.real("rope.freq_base", "rope_theta", or: .value(10_000)) { $0.layers.first?.attention.rotary?.theta }
    static let unusualTheta = Number.real("rope.freq_base", "rope_theta", or: .value(10_000), written: .whereUnusual) {
        $0.layers.first?.attention.rotary?.theta
    }
    static let epsilon = Number.real("attention.layer_norm_rms_epsilon", "rms_norm_eps") { Double($0.finalNorm.epsilon) }
    /// Of keys and of values.
    static func headWidths(_ writing: Number.Writing = .always) -> [Number] {
        [
            .count("attention.key_length", "head_dim", or: .evenShare, written: writing) { $0.layers.first?.attention.headWidth },
            .count("attention.value_length", nil, or: .sameAs("attention.key_length"), written: writing) {
                $0.layers.first?.attention.headWidth
            },
        ]
    }

    static let expertNumbers: [Number] = [
        .count(GGUFSpelling.expertCount, "num_local_experts") { $0.mixture?.expertCount },
        .count("expert_used_count", "num_experts_per_tok") { $0.mixture?.chosenCount },
    ]
    /// Of one expert.
    static let expertInnerWidth = Number.count("expert_feed_forward_length", "moe_intermediate_size") {
        $0.layers.first { $0.feedForward.mixture != nil }?.feedForward.innerWidth
    }
    /// Of layers without experts, of which a model may have none.
    static let denseInnerWidth = Number.count("feed_forward_length", "intermediate_size", or: .leftOut) {
        $0.layers.first { $0.feedForward.mixture == nil }?.feedForward.innerWidth
    }

    /// With experts a Mixtral, which a file calls a Llama.
    static let mixtral = GGUFSpelling(
        "llama", mark: expertCount, pairsRows: true, takesFrequencyFactors: true, biases: [],
        constants: JSONObject(["hidden_act": .string("silu")]),
        numbers: sizes + heads + [theta, epsilon] + expertNumbers + headWidths(.whereStated("head_dim")),
        [
            .count("vocab_size", nil, or: .leftOut) { $0.vocabularySize },
            .count("rope.dimension_count", nil, or: .sameAs("attention.key_length")) { $0.layers.first?.attention.headWidth },
        ])

    /// Programs that run such files divide the weights of the chosen by their sum, and take every layer to have experts.
    static let qwen3Mixture = GGUFSpelling(
        "qwen3moe",
        constants: JSONObject([
            "hidden_act": .string("silu"), "use_sliding_window": .bool(false), "norm_topk_prob": .bool(true),
            "decoder_sparse_step": .integer(1), "mlp_only_layers": .array([]),
        ]),
        numbers: [blockCount, contextLength, width, denseInnerWidth] + heads + [theta, epsilon] + expertNumbers + headWidths(),
        [expertInnerWidth])

    static let llamaNumbers = sizes + heads + [theta, epsilon] + headWidths()

    /// Llama and Mistral, which a file does not tell apart: they compute the same where nothing slides.
    static let llama = GGUFSpelling(
        "llama", pairsRows: true, takesFrequencyFactors: true,
        biases: [.query, .key, .value, .attentionOutput, .gate, .up, .down], constants: JSONObject(["hidden_act": .string("silu")]),
        numbers: llamaNumbers,
        [
            .count("vocab_size", nil, or: .leftOut) { $0.vocabularySize },
            .count("rope.dimension_count", nil, or: .sameAs("attention.key_length")) { $0.layers.first?.attention.headWidth },
        ])

    static let qwen2 = GGUFSpelling(
        "qwen2", constants: qwenConstants,
        numbers: sizes + heads + [theta, epsilon] + headWidths(.whereStated("head_dim")), limits: [.evenHeads])
    static let qwen3 = GGUFSpelling("qwen3", constants: qwenConstants, numbers: llamaNumbers)

    static let qwenConstants = JSONObject(["hidden_act": .string("silu"), "use_sliding_window": .bool(false)])

    static let gemma = GGUFSpelling(
        "gemma", constants: gemmaConstants,
        numbers: gemmaSizes + heads + [epsilon] + headWidths() + [unusualTheta], limits: [.tiedHead])

    static let gemma2 = GGUFSpelling(
        "gemma2", constants: gemmaConstants,
        numbers: gemmaSizes + heads + [epsilon] + headWidths() + [unusualTheta],
        [
            .real("attn_logit_softcapping", "attn_logit_softcapping", or: .value(50)) {
                $0.layers.first?.attention.scoreCap.map(Double.init)
            },
            .real("final_logit_softcapping", "final_logit_softcapping", or: .value(30)) { $0.head.cap.map(Double.init) },
            slidingWindow,
        ],
        limits: [.tiedHead],
        // The file does not say what scores are divided by: the width of a head, but in the model of 46 layers, whose heads are wider
        // than their share.
        complete: { setScoreDivisor(&$0, $1.numbers, layerCountOfShare: 46) })

    static let gemma3 = GGUFSpelling(
        "gemma3", constants: gemmaConstants,
        numbers: sizes + heads + [
            .real("rope.freq_base", "rope_theta", or: .value(1_000_000)) {
                $0.layers.first { $0.attention.window == nil }?.attention.rotary?.theta
            },
            .real("rope.freq_base_swa", "rope_local_base_freq", or: .value(10_000)) {
                $0.layers.first { $0.attention.window != nil }?.attention.rotary?.theta
            },
            epsilon,
        ] + headWidths(),
        [
            .real("final_logit_softcapping", "final_logit_softcapping", or: .leftOut) { $0.head.cap.map(Double.init) },
            slidingWindow,
        ],
        complete: { setScoreDivisor(&$0, $1.numbers, layerCountOfShare: 62) })

    static let gpt2 = GGUFSpelling(
        "gpt2", biases: [.fusedQueryKeyValue, .attentionOutput, .up, .down],
        constants: JSONObject(["activation_function": .string("gelu_new")]),
        numbers: [
            .count("block_count", "n_layer") { $0.layers.count },
            .count("context_length", "n_positions") { $0.contextLength },
            .count("embedding_length", "n_embd") { $0.width },
            .count("feed_forward_length", "n_inner") { $0.layers.first?.feedForward.innerWidth },
            .count("attention.head_count", "n_head") { $0.layers.first?.attention.headCount },
            .real("attention.layer_norm_epsilon", "layer_norm_epsilon") { Double($0.finalNorm.epsilon) },
        ])

    static let gemmaConstants = JSONObject([
        "hidden_act": .string("gelu_pytorch_tanh"), "hidden_activation": .string("gelu_pytorch_tanh"),
    ])
    static let slidingWindow = Number.count("attention.sliding_window", "sliding_window", or: .value(4096)) {
        $0.layers.lazy.compactMap(\.attention.window).first
    }

    /// `query_pre_attn_scalar`, which llama.cpp knows by the number of layers.
    static func setScoreDivisor(_ config: inout JSONObject, _ numbers: GGUFNumbers, layerCountOfShare: Int) {
        guard let heads = numbers.count("attention.head_count"), heads > 0, let width = numbers.count("embedding_length") else { return }
        let share = width / heads
        let isShare = numbers.count("block_count") == layerCountOfShare
        config["query_pre_attn_scalar"] = .integer(isShare ? share : numbers.count("attention.key_length") ?? share)
    }
}
