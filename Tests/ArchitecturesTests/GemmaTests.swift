import Architectures
import JSONText
import Testing

/// What distinguishes the Gemmas, in the spellings of transformers 4 and 5, with its classes' defaults.
@Suite struct GemmaTests {
    private static func gemma(_ modelType: String, _ members: String = "") throws -> ModelDescription {
        try ModelDescription(
            config: JSONValue(
                parsing: Array(
                    """
                    {"model_type": "\(modelType)", "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, \
                    "num_key_value_heads": 2, "num_hidden_layers": 7, "vocab_size": 256\(members.isEmpty ? "" : ", ")\(members)}
                    """.utf8)))
    }

    @Test(arguments: ["gemma", "gemma2", "gemma3_text"])
    func allScaleTheEmbeddingAddOneAndGateWithTheTanhGELU(modelType: String) throws {
        let model = try Self.gemma(modelType)
        #expect(model.embeddingScale == 8 && model.head.isTied && model.finalNorm == Norm(.rms, epsilon: 1e-6, addsOne: true))
        for layer in model.layers {
            #expect(layer.norm.addsOne && layer.feedForward == FeedForward(.gated, .geluTanh, innerWidth: 96))
            #expect(layer.attention.headWidth == 256 && layer.normPlacement == (modelType == "gemma" ? .before : .around))
        }
    }

    @Test func theFirstMeansTheTanhWhereItSaysGELU() throws {
        #expect(try Self.gemma("gemma", #""hidden_act": "gelu""#).layers[0].feedForward.activation == .geluTanh)
        #expect(try Self.gemma("gemma", #""hidden_act": "silu""#).layers[0].feedForward.activation == .silu)
        #expect(try Self.gemma("gemma2", #""hidden_activation": "gelu""#).layers[0].feedForward.activation == .gelu)
    }

    @Test func theSecondSlidesInEveryOtherLayerAndCaps() throws {
        let model = try Self.gemma("gemma2", #""sliding_window": 16, "query_pre_attn_scalar": 144"#)
        #expect(model.layers.map(\.attention.window) == [16, nil, 16, nil, 16, nil, 16] && model.head.cap == 30)
        #expect(model.layers.allSatisfy { $0.attention.scoreCap == 50 && $0.attention.scale == 1 / 12 && $0.attention.headNorm == nil })
        let bare = try Self.gemma("gemma2", #""attn_logit_softcapping": null, "final_logit_softcapping": null"#)
        #expect(bare.head.cap == nil && bare.layers[0].attention.scoreCap == nil && bare.layers[0].attention.scale == 1 / 16)
        #expect(bare.layers[0].attention.window == 4096)
    }

    @Test func theThirdHasNormsOfHeadsAndNeverCapsScores() throws {
        let model = try Self.gemma("gemma3_text", #""sliding_window": 16, "attn_logit_softcapping": 50.0"#)
        #expect(model.layers.map(\.attention.window) == [16, 16, 16, 16, 16, nil, 16] && model.head.cap == nil)
        #expect(model.layers.allSatisfy { $0.attention.scoreCap == nil && $0.attention.headNorm?.addsOne == true })
        #expect(
            try Self.gemma("gemma3_text", #""sliding_window_pattern": 2"#).layers.map { $0.attention.window == nil }[..<3] == [
                false, true, false,
            ])
    }

    @Test(arguments: [
        "",
        #""rope_theta": 1000000.0, "rope_local_base_freq": 10000.0"#,
        """
        "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1000000.0}, \
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}
        """,
    ])
    func theThirdRotatesByKind(members: String) throws {
        let model = try Self.gemma("gemma3_text", members)
        #expect(model.layers[0].attention.rotary == RotaryEmbedding(theta: 10_000))
        #expect(model.layers[5].attention.rotary == RotaryEmbedding(theta: 1_000_000))
    }

    /// As transformers 4 wrote them, and 5.
    @Test(arguments: [
        #""rope_scaling": {"rope_type": "linear", "factor": 8.0}"#,
        #""rope_parameters": {"full_attention": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 8.0}}"#,
    ])
    func onlyFullAttentionIsScaled(members: String) throws {
        let model = try Self.gemma("gemma3_text", members)
        #expect(model.layers[0].attention.rotary == RotaryEmbedding(theta: 10_000))
        #expect(model.layers[5].attention.rotary == RotaryEmbedding(theta: 1_000_000, scaling: .linear(factor: 8)))
    }

    @Test(arguments: [
        (#""use_bidirectional_attention": true"#, "config.json: 'use_bidirectional_attention' is true; only false can be run"),
        (#""sliding_window": null"#, "config.json: 'sliding_window' is null, but 6 layers slide"),
        (
            #""rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}"#,
            "config.json: 'rope_parameters' has 'rope_type', but settings of this model are those of 'full_attention' and 'sliding_attention'"
        ),
        (#""query_pre_attn_scalar": 0"#, "config.json: 'query_pre_attn_scalar' is 0, but a positive number is expected"),
        (#""head_dim": 15"#, "config.json: head_dim is 15, but elements are rotated in pairs"),
    ])
    func refuses(members: String, message: String) throws {
        let error = try #require(throws: ModelError.self) { try Self.gemma("gemma3_text", members) }
        #expect(error.message == message)
    }

    @Test func whatReleasedConfigurationsSayBesidesIsNoRemark() throws {
        let members = #""hidden_act": "gelu_pytorch_tanh", "cache_implementation": "hybrid", "attention_dropout": 0.0, "use_cache": true"#
        #expect(try Self.gemma("gemma2", members).remarks.isEmpty)
    }

    @Test func normsAroundTheBranchesHaveTheirNames() throws {
        let names = try Self.gemma("gemma3_text").expectedTensors.map(\.name)
        #expect(names.count == 1 + 7 * 13 + 1)
        #expect(
            names[1...13].map { String($0.dropFirst("model.layers.0.".count)) } == [
                "input_layernorm.weight", "self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight",
                "self_attn.q_norm.weight", "self_attn.k_norm.weight", "self_attn.o_proj.weight", "post_attention_layernorm.weight",
                "pre_feedforward_layernorm.weight", "mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight",
                "post_feedforward_layernorm.weight",
            ])
    }
}
