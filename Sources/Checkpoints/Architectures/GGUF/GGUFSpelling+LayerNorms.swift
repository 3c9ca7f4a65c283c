import JSONText

/// Families whose norms take the mean away.
extension GGUFSpelling {
    private static let silu = JSONObject(["hidden_act": .string("silu")])
    private static let logitScale = Number.real("logit_scale", "logit_scale") { Double($0.head.scale) }

    /// Norms of heads are there in the model of 64 layers, and nowhere else.
    static let cohere = GGUFSpelling(
        "command-r", constants: silu, numbers: sizes + heads + [theta, layerEpsilon("layer_norm_eps")], [logitScale, .scaling],
        limits: [
            .tiedHead, .evenHeads,
            .other { model in
                let hasNorms = model.layers.first?.attention.headNorm != nil
                guard hasNorms != (model.layers.count >= 64) else { return nil }
                return
                    "has \(model.layers.count) layers \(hasNorms ? "with" : "without") norms of heads, but programs that run GGUF files of "
                    + "'command-r' look for them from 64 layers on, and nowhere else"
            },
        ],
        complete: { config, contents in config["use_qk_norm"] = .bool(contents.has("blk.0.attn_q_norm.weight")) })

    static let cohere2 = GGUFSpelling(
        "cohere2", slidingPeriod: 4, constants: silu,
        numbers: sizes + heads + [theta, layerEpsilon("layer_norm_eps")] + headWidths(.whereStated("head_dim")),
        [logitScale, window(or: .required), .slidingLayers(), vocabulary, turnedWidth(or: .sameAs("attention.key_length")), .scaling],
        limits: [.tiedHead, .evenHeads])

    static let starcoder2 = GGUFSpelling(
        "starcoder2", biases: [.query, .key, .value, .attentionOutput, .up, .down],
        constants: JSONObject(["hidden_act": .string("gelu_pytorch_tanh"), "use_bias": .bool(true), "sliding_window": .null]),
        numbers: sizes + heads + [theta, layerEpsilon("norm_epsilon")],
        limits: [.evenHeads, .biases([.attentionOutput, .up, .down])])

    static let stableLM = GGUFSpelling(
        "stablelm", constants: silu,
        numbers: [contextLength, width, blockCount, innerWidth, turnedWidth(or: .evenShare)] + heads + [
            .flag("use_parallel_residual", "use_parallel_residual", or: true) { $0.layers.first?.isParallel ?? false },
            layerEpsilon("layer_norm_eps"),
        ], [unusualTheta], limits: [.ownHead, .evenHeads],
        complete: { config, contents in
            config["use_qkv_bias"] = .bool(contents.has("blk.0.attn_q.bias"))
            config["qk_layernorm"] = .bool(contents.has("blk.0.attn_q_norm.weight"))
            // Programs that run such files tell it by the norm that parallel branches share.
            config["use_parallel_residual"] = .bool(!contents.has("blk.0.ffn_norm.weight"))
            setTurnedShare(&config, contents.numbers)
        })

    static let nemotron = GGUFSpelling(
        "nemotron", biases: [.query, .key, .value, .attentionOutput, .up, .down], constants: JSONObject(["hidden_act": .string("relu2")]),
        numbers: sizes + heads + [
            theta, .real("attention.layer_norm_rms_epsilon", nil, or: .leftOut) { Double($0.finalNorm.epsilon) },
        ] + headWidths(.whereStated("head_dim")),
        [vocabulary, layerEpsilon("norm_eps"), turnedWidth(or: .sameAs("attention.key_length")), .scaling], limits: [.ownHead, .evenHeads],
        complete: { config, contents in
            let turned = contents.numbers.count("rope.dimension_count"), head = contents.numbers.count("attention.key_length")
            // Half of a head, where nothing is said.
            if turned == head { config["partial_rotary_factor"] = .double(1) } else { setTurnedShare(&config, contents.numbers) }
        })

    /// Programs that run such files take GELU by a tanh.
    static let gptNeoX = GGUFSpelling(
        "gptneox", groupsHeads: true, biases: [.fusedQueryKeyValue, .attentionOutput, .up, .down],
        constants: JSONObject(["hidden_act": .string("gelu")]),
        numbers: [
            contextLength, width, blockCount, innerWidth, turnedWidth(or: .evenShare), heads[0],
            .flag("use_parallel_residual", "use_parallel_residual", or: true) { $0.layers.first?.isParallel ?? false },
            layerEpsilon("layer_norm_eps"),
        ],
        [
            .real("rope.freq_base", "rotary_emb_base", or: .value(10_000), written: .whereUnusual) {
                $0.layers.first?.attention.rotary?.theta
            }
        ],
        limits: [.ownHead, .biases([.fusedQueryKeyValue, .attentionOutput])],
        complete: { config, contents in
            config["rotary_pct"] = .double(1)
            setTurnedShare(&config, contents.numbers, member: "rotary_pct")
            config["attention_bias"] = .bool(contents.has("blk.0.attn_qkv.bias"))
        })

    /// With one key for all heads that of 7B, else those of 40B and 11B. Programs that run such files take GELU by a tanh.
    static let falcon = GGUFSpelling(
        "falcon", groupsHeads: true,
        renamed: { model in
            // Of two norms beside each other, that of the MLP has the common name.
            guard let wiring = model?.layers.first?.wiring, wiring == .parallel(sharesNorm: false) else { return [:] }
            return [.attentionNorm: "attn_norm_2", .feedForwardNorm: "attn_norm"]
        },
        biases: [],
        constants: JSONObject(["activation": .string("gelu"), "alibi": .bool(false), "bias": .bool(false), "parallel_attn": .bool(true)]),
        numbers: [
            .count("context_length", "max_position_embeddings") { $0.contextLength }, .text("tensor_data_layout", "jploski"), width,
            .count("feed_forward_length", "ffn_hidden_size") { $0.layers.first?.feedForward.innerWidth }, blockCount, heads[0],
            .count("attention.head_count_kv", "num_kv_heads", or: .sameAs("attention.head_count")) {
                $0.layers.first?.attention.keyValueHeadCount
            }, layerEpsilon("layer_norm_epsilon"),
        ], [unusualTheta],
        complete: { config, contents in
            let isNew = contents.numbers.count("attention.head_count_kv") != 1
            config["new_decoder_architecture"] = .bool(isNew)
            config["multi_query"] = .bool(!isNew)
            if isNew { config["num_ln_in_parallel_attn"] = .integer(contents.has("blk.0.attn_norm_2.weight") ? 2 : 1) }
        })

    static let bloom = GGUFSpelling(
        "bloom", groupsHeads: true, biases: [.fusedQueryKeyValue, .attentionOutput, .up, .down], constants: JSONObject([:]),
        numbers: [
            .count("context_length", "seq_length") { $0.contextLength }, width,
            .count("feed_forward_length", nil) { $0.layers.first?.feedForward.innerWidth },
            .count("block_count", "n_layer") { $0.layers.count },
            .count("attention.head_count", "n_head") { $0.layers.first?.attention.headCount },
            .count("attention.head_count_kv", nil, or: .sameAs("attention.head_count")) { $0.layers.first?.attention.keyValueHeadCount },
            layerEpsilon("layer_norm_epsilon"),
        ])

    /// Norms without weights.
    static let olmo = GGUFSpelling(
        "olmo", pairsRows: true, constants: silu, numbers: sizes + heads + [theta],
        [
            .real("attention.layer_norm_epsilon", nil) { Double($0.finalNorm.epsilon) },
            .real("attention.clamp_kqv", "clip_qkv", or: .leftOut) { $0.layers.first?.attention.clip.map(Double.init) },
        ], limits: [.evenHeads])
}
