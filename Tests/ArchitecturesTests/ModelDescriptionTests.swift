import Architectures
import JSONText
import TensorCore
import Testing

@Suite struct ModelDescriptionTests {
    private static func configuration(_ text: String) throws -> ModelDescription {
        try ModelDescription(config: try JSONValue(parsing: Array(text.utf8)))
    }

    /// A Llama config with members added or replaced.
    private static func llama(_ members: String) throws -> ModelDescription {
        var object = try JSONValue(
            parsing: Array(
                """
                {"model_type": "llama", "hidden_size": 64, "intermediate_size": 112, "num_attention_heads": 4, \
                "num_hidden_layers": 3, "vocab_size": 256, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, \
                "num_key_value_heads": null}
                """.utf8)
        ).object
        for member in try JSONValue(parsing: Array("{\(members)}".utf8)).object?.members ?? [] { object?[member.key] = member.value }
        return try ModelDescription(config: try #require(object.map { .object($0) }))
    }

    @Test func readsGPT2() throws {
        let configuration = try Self.configuration(
            """
            {"model_type": "gpt2", "n_embd": 48, "n_head": 4, "n_layer": 2, "n_positions": 64, "n_inner": null, "vocab_size": 211,
             "activation_function": "gelu_new", "layer_norm_epsilon": 1e-05, "eos_token_id": 0}
            """)
        #expect(configuration.modelType == "gpt2")
        #expect(
            configuration.layers[0].feedForward.innerWidth == 192 && configuration.layers[0].attention.headWidth == 12
                && configuration.layers[0].attention.keyValueHeadCount == 4)
        #expect(configuration.head.isTied && configuration.hasLearnedPositions && configuration.endTokenIDs == [0])
        #expect(configuration.expectedTensors.count == 3 + 12 * 2 + 1)
    }

    /// A GPT-2 config with one more member.
    private static func gpt2(_ member: String) throws -> ModelDescription {
        try configuration(
            #"{"model_type": "gpt2", "n_embd": 48, "n_head": 3, "n_layer": 2, "n_positions": 64, "vocab_size": 211, \#(member)}"#)
    }

    @Test(
        arguments: [
            ("gelu", .gelu), ("gelu_python", .gelu), ("gelu_new", .geluTanh), ("gelu_fast", .geluTanh), ("gelu_accurate", .geluTanh),
            ("gelu_pytorch_tanh", .geluTanh), ("gelu_python_tanh", .geluTanh), ("relu", .relu), ("silu", .silu), ("swish", .silu),
        ] as [(String, Activation)])
    func readsGPT2sActivation(name: String, expected: Activation) throws {
        #expect(try Self.gpt2(#""activation_function": "\#(name)""#).layers[0].feedForward.activation == expected)
    }

    @Test func gpt2HasTheTanhGELUWhereItNamesNone() throws {
        #expect(try Self.gpt2(#""activation_function": null"#).layers[0].feedForward.activation == .geluTanh)
        #expect(try Self.gpt2(#""n_inner": null"#).layers[0].feedForward.activation == .geluTanh)
    }

    @Test(arguments: [#""quick_gelu""#, #""gelu_10""#, #""relu6""#, #""GELU""#, "3", #"["gelu"]"#])
    func refusesOtherActivationsOfGPT2(value: String) throws {
        let error = try #require(throws: ModelError.self) { try Self.gpt2(#""activation_function": \#(value)"#) }
        #expect(
            error.message == "config.json: 'activation_function' is \(value); these can be run: gelu, gelu_python, gelu_new, "
                + "gelu_pytorch_tanh, gelu_fast, gelu_accurate, gelu_python_tanh, relu, relu2, silu, swish")
    }

    /// Heads are 16 wide.
    @Test(
        arguments: [
            (#""n_inner": null"#, [0.25, 0.25]), (#""scale_attn_weights": false"#, [1, 1]),
            (#""scale_attn_by_inverse_layer_idx": true"#, [0.25, 0.125]),
            (#""scale_attn_weights": false, "scale_attn_by_inverse_layer_idx": true"#, [1, 0.5]),
        ] as [(String, [Float])])
    func readsHowGPT2ScalesScores(members: String, expected: [Float]) throws {
        let configuration = try Self.gpt2(members)
        #expect([configuration.layers[0].attention.scale, configuration.layers[1].attention.scale] == expected)
    }

    @Test func missingKeyValueHeadsAreAsManyAsHeads() throws {
        #expect(try Self.llama("").layers[0].attention.keyValueHeadCount == 4)
        #expect(try Self.bare("llama").layers[0].attention.keyValueHeadCount == 32)
        #expect(try Self.llama(#""num_key_value_heads": 2"#).layers[0].attention.keyValueHeadCount == 2)
    }

    @Test(arguments: [
        ("", RotaryEmbedding(theta: 10_000)),
        (#""rope_theta": 500000.0, "rope_scaling": null"#, RotaryEmbedding(theta: 500_000)),
        (#""rope_parameters": {"rope_theta": 1000000, "rope_type": "default"}"#, RotaryEmbedding(theta: 1_000_000)),
        (
            #""rope_theta": 10000.0, "rope_scaling": {"type": "linear", "factor": 2.0}"#,
            RotaryEmbedding(theta: 10_000, scaling: .linear(factor: 2))
        ),
        (
            """
            "rope_theta": 500000.0, "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, \
            "original_max_position_embeddings": 8192, "rope_type": "llama3"}
            """,
            RotaryEmbedding(
                theta: 500_000,
                scaling: .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192))
        ),
    ])
    func readsOldAndNewSpellingsOfRotation(members: String, expected: RotaryEmbedding) throws {
        #expect(try Self.llama(members).layers[0].attention.rotary == expected)
    }

    /// A config that leaves out whatever can be left out.
    private static func bare(_ modelType: String, _ more: String = "") throws -> ModelDescription {
        try configuration(
            """
            {"model_type": "\(modelType)", "hidden_size": 512, "intermediate_size": 64, "num_attention_heads": 32, "num_hidden_layers": 1,
             "vocab_size": 16\(more)}
            """)
    }

    /// The defaults of transformers' classes.
    @Test(
        arguments: [
            ("llama", 32, 2048, nil), ("mistral", 8, 131_072, 4096), ("qwen2", 32, 32_768, nil), ("qwen3", 32, 32_768, nil),
        ] as [(String, Int, Int, Int?)])
    func defaultsAreThoseOfTheFamily(modelType: String, keyValueHeadCount: Int, contextLength: Int, window: Int?) throws {
        let configuration = try Self.bare(modelType)
        #expect(configuration.layers[0].attention.keyValueHeadCount == keyValueHeadCount && configuration.contextLength == contextLength)
        #expect(configuration.layers.map(\.attention.window) == [window] && configuration.remarks.isEmpty)
        #expect(configuration.layers[0].attention.headWidth == (modelType == "qwen3" ? 128 : 16))
    }

    @Test func qwenSlidesOver4096WhereNoWidthIsStated() throws {
        let use = #", "use_sliding_window": true, "max_window_layers": 0"#
        #expect(try Self.bare("qwen2", use).layers.map(\.attention.window) == [4096])
        #expect(try Self.bare("qwen2", use + #", "sliding_window": null"#).layers.map(\.attention.window) == [nil])
    }

    @Test(
        arguments: [
            (#""rope_scaling": {"type": "linear", "factor": 2}, "rope_parameters": {"rope_type": "linear", "factor": 4}"#, 2),
            (#""rope_scaling": {}, "rope_parameters": {"rope_type": "linear", "factor": 4}"#, 4),
            (#""rope_scaling": null, "rope_parameters": {"type": "default", "rope_type": "linear", "factor": 4}"#, 4),
        ] as [(String, Double)])
    func ropeScalingWinsOverRopeParameters(members: String, factor: Double) throws {
        #expect(try Self.llama(members).layers[0].attention.rotary == RotaryEmbedding(theta: 10_000, scaling: .linear(factor: factor)))
    }

    /// Beside the rope parameters, in them, or as many as the context has: in this order.
    @Test(
        arguments: [
            (#""original_max_position_embeddings": 64, "#, #", "original_max_position_embeddings": 32"#, 64),
            ("", #", "original_max_position_embeddings": 32"#, 32), ("", "", 128),
        ] as [(String, String, Double)])
    func originalContextOutsideWinsOverThatInside(outside: String, inside: String, expected: Double) throws {
        let members =
            #"\#(outside)"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4\#(inside)}"#
        #expect(
            try Self.llama(members).layers[0].attention.rotary?.scaling
                == .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: expected))
    }

    /// transformers' Mistral and Qwen2 have no such flags.
    @Test func flagsThatAFamilyDoesNotHaveAreSaidAndNotFollowed() throws {
        for modelType in ["mistral", "qwen2"] {
            let configuration = try Self.llama(#""model_type": "\#(modelType)", "attention_bias": true, "mlp_bias": true"#)
            #expect(!configuration.layers[0].attention.hasOutputBias && !configuration.layers[0].feedForward.hasBias)
            #expect(
                configuration.remarks == [
                    "config.json: 'attention_bias', 'mlp_bias' are not followed, as transformers' own \(modelType) does not either"
                ])
        }
    }

    @Test func whatIsNotKnownIsSaidOnceAndWhatAsksForNothingIsNot() throws {
        let members = #""logits_scaling": 8, "use_qk_norm": false, "mystery": null, "residual_multiplier": 0.2, "pretraining_tp": 2"#
        #expect(
            try Self.llama(members).remarks == [
                "config.json: 'logits_scaling', 'residual_multiplier' are not followed, as transformers' own llama does not either"
            ])
    }

    @Test(
        arguments: [
            (#""model_type": "llama", "sliding_window": 8"#, [nil, nil, nil]),
            (
                """
                "model_type": "mistral", "sliding_window": 8, \
                "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]
                """, [8, nil, 8]
            ),
            (#""model_type": "mistral", "sliding_window": 8"#, [8, 8, 8]),
            (#""model_type": "mistral", "sliding_window": null"#, [nil, nil, nil]),
            (#""model_type": "qwen2", "sliding_window": 8, "use_sliding_window": false"#, [nil, nil, nil]),
            (#""model_type": "qwen2", "sliding_window": 8, "use_sliding_window": true, "max_window_layers": 1"#, [nil, 8, 8]),
            (
                """
                "model_type": "qwen3", "sliding_window": 8, "use_sliding_window": true, \
                "layer_types": ["sliding_attention", "full_attention", "full_attention"]
                """, [8, nil, nil]
            ),
        ] as [(String, [Int?])])
    func readsSlidingWindows(members: String, expected: [Int?]) throws {
        #expect(try Self.llama(members).layers.map(\.attention.window) == expected)
    }

    @Test func biasesAndNormsFollowTheModelType() throws {
        let qwen2 = try Self.llama(#""model_type": "qwen2""#)
        let qwen2Attention = qwen2.layers[0].attention
        #expect(qwen2Attention.hasInputBias && !qwen2Attention.hasOutputBias && qwen2Attention.headNorm == nil)
        let qwen3 = try Self.llama(#""model_type": "qwen3", "head_dim": 24"#)
        let qwen3Attention = qwen3.layers[0].attention
        #expect(!qwen3Attention.hasInputBias && qwen3Attention.headNorm != nil && qwen3Attention.queryWidth == 96)
        let llama = try Self.llama(#""attention_bias": true, "mlp_bias": true"#)
        let layer = llama.layers[0]
        #expect(layer.attention.hasInputBias && layer.attention.hasOutputBias && layer.feedForward.hasBias)
    }

    @Test(arguments: [
        (
            #""model_type": "bert""#,
            "model_type 'bert' cannot be run; these can: " + Architecture.all.map(\.modelType).joined(separator: ", ")
        ),
        (#""hidden_act": "gelu""#, "config.json: 'hidden_act' is 'gelu'; these can be run: silu, swish"),
        (
            #""rope_scaling": {"rope_type": "mrope", "factor": 4}"#,
            "config.json: rope type 'mrope' cannot be run; these can: default, linear, dynamic, llama3, yarn, longrope, su, proportional"
        ),
        (
            #""rope_scaling": {"rope_type": "yarn", "factor": 4, "mscale": 1e40, "mscale_all_dim": 1}"#,
            #"config.json: the rope parameters {"rope_type":"yarn","factor":4,"mscale":1e40,"mscale_all_dim":1}"#
                + " turn position 127 by what is no number"
        ),
        (
            #""rope_scaling": {"rope_type": "linear", "factor": 1e-307}"#,
            #"config.json: the rope parameters {"rope_type":"linear","factor":1e-307} turn position 127 by what is no number"#
        ),
        (
            #""rope_scaling": {"rope_type": "yarn", "factor": 4, "attention_factor": 1e300}"#,
            #"config.json: the rope parameters {"rope_type":"yarn","factor":4,"attention_factor":1e300} turn position 127 by what is no number"#
        ),
        (#""hidden_act": 5"#, "config.json: 'hidden_act' is 5; these can be run: silu, swish"),
        (#""is_causal": false"#, "config.json: 'is_causal' is false; only true can be run"),
        (#""is_causal": null"#, "config.json: 'is_causal' is null; only true can be run"),
        (
            #""per_layer_config": {"0": {}}"#,
            "config.json: 'per_layer_config' gives layers settings of their own, which is not built here"
        ),
        (
            #""rope_parameters": {"full_attention": {"rope_theta": 1000000}, "sliding_attention": {"rope_theta": 10000}}"#,
            "config.json: 'rope_parameters' has settings of its own for 'full_attention'; one rotation for all layers can be run"
        ),
        (#""rope_parameters": 5"#, "config.json: 'rope_parameters' is 5, but an object is expected"),
        (#""model_type": "qwen3", "head_dim": null"#, "config.json: 'head_dim' is null; a Qwen3 states it, or leaves it out for 128"),
        (#""partial_rotary_factor": 0.5"#, "config.json: partial_rotary_factor is 0.5; only whole heads are rotated here"),
        (#""num_key_value_heads": 3"#, "config.json: num_attention_heads is 4, no multiple of num_key_value_heads, 3"),
        (#""num_hidden_layers": 5000"#, "config.json: 'num_hidden_layers' is 5000, but a whole number from 1 to 4096 is expected"),
        (#""hidden_size": -1"#, "config.json: 'hidden_size' is -1, but a whole number from 1 to 1048576 is expected"),
        (#""hidden_size": 66"#, "config.json: hidden_size is 66, no multiple of num_attention_heads, 4"),
        (#""vocab_size": null"#, "config.json has no 'vocab_size'"),
        (#""rms_norm_eps": 0"#, "config.json: 'rms_norm_eps' is 0, but a positive number is expected"),
        (
            #""model_type": "qwen3", "sliding_window": 8, "use_sliding_window": true, "layer_types": []"#,
            "config.json: layer_types has 0 entries, but num_hidden_layers is 3"
        ),
        (#""eos_token_id": "end""#, #"config.json: 'eos_token_id' is "end", but token ids are expected"#),
        (#""eos_token_id": [2, 1099511627776]"#, "config.json: 'eos_token_id' is [2,1099511627776], but token ids are expected"),
    ])
    func refuses(members: String, message: String) throws {
        let error = try #require(throws: ModelError.self) { try Self.llama(members) }
        #expect(error.message == message)
    }

    @Test func endsMayBeSeveralOrNone() throws {
        #expect(try Self.llama(#""eos_token_id": [2, 128009]"#).endTokenIDs == [2, 128_009])
        #expect(try Self.llama(#""eos_token_id": null"#).endTokenIDs.isEmpty)
        #expect(try Self.llama(#""eos_token_id": -1"#).endTokenIDs.isEmpty)
    }

    @Test func namesAndShapesAreThoseOfTransformers() throws {
        let tensors = try Self.llama(#""num_key_value_heads": 2, "tie_word_embeddings": true"#).expectedTensors
        #expect(tensors.count == 1 + 9 * 3 + 1)
        #expect(tensors[1].name == "model.layers.0.input_layernorm.weight" && tensors[1].dimensions == [64])
        let key = try #require(tensors.first { $0.key == ModuleKey(.key, layer: 2) })
        #expect(key.name == "model.layers.2.self_attn.k_proj.weight" && key.dimensions == [32, 64] && key.orientation == .outputsByInputs)
        #expect(tensors.last?.name == "model.norm.weight")
    }
}
