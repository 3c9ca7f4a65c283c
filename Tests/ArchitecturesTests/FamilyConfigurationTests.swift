import Architectures
import JSONText
import Testing

/// What families say no to, by name, and where their configurations differ from the table of most.
@Suite struct FamilyConfigurationTests {
    private static func describe(_ modelType: String, _ members: String = "") throws -> ModelDescription {
        var config = try #require(
            JSONValue(
                parsing: Array(
                    """
                    {"model_type": "\(modelType)", "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, \
                    "num_key_value_heads": 4, "num_hidden_layers": 4, "vocab_size": 256}
                    """.utf8)
            ).object)
        for member in try #require(JSONValue(parsing: Array("{\(members)}".utf8)).object).members { config[member.key] = member.value }
        return try ModelDescription(config: .object(config))
    }

    @Test(arguments: [
        ("opt", #""word_embed_proj_dim": 65"#, "config.json: word_embed_proj_dim is 65, but at most hidden_size, 64, can be run"),
        (
            "granitemoehybrid", #""num_local_experts": 0, "layer_types": ["attention", "mamba", "mamba", "attention"]"#,
            #"config.json: layers of type "mamba" cannot be run; those of attention can"#
        ),
        ("granitemoehybrid", #""num_local_experts": 0"#, "config.json: layer_types has 0 entries, but num_hidden_layers is 4"),
        ("cohere2", #""head_dim": 32"#, "config.json: head_dim is 32, but a cohere2 of 4 heads divides 64"),
        (
            "falcon", #""new_decoder_architecture": true, "num_ln_in_parallel_attn": 3"#,
            "config.json: 'num_ln_in_parallel_attn' is 3, but a layer has 1 or 2"
        ),
        (
            "falcon", #""new_decoder_architecture": true, "num_kv_heads": 3"#,
            "config.json: 4 heads and 3 heads of keys do not share a width of 64"
        ),
        ("bloom", #""n_head": 5"#, "config.json: 'n_head' is 5, but 'num_attention_heads', another name of it, is 4"),
        (
            "mixtral", #""num_experts": 3, "num_local_experts": 4, "num_experts_per_tok": 2"#,
            "config.json: 'num_local_experts' is 4, but 'num_experts', another name of it, is 3"
        ),
        ("gpt_neox", #""num_key_value_heads": 2"#, "config.json: a gpt_neox has as many keys as heads, 4, not 2"),
        (
            "gptj", #""n_embd": 64, "n_head": 4, "rotary_dim": 17"#,
            "config.json: n_embd is 64, n_head 4 and rotary_dim 17: that many elements of a head cannot turn in pairs"
        ),
        ("gptj", #""n_embd": 64, "n_head": 4"#, "config.json has no 'rotary_dim'"),
        ("phi", #""partial_rotary_factor": 0.35"#, "config.json: 0.35 of a head of 16 elements is 5, but elements are rotated in pairs"),
        ("stablelm", #""partial_rotary_factor": 1.5"#, "config.json: 'partial_rotary_factor' is 1.5, but a share of a head is at most 1"),
        ("granite", #""partial_rotary_factor": 0.5"#, "config.json: partial_rotary_factor is 0.5; only whole heads are rotated here"),
        (
            "phi3", #""rope_scaling": {"type": "longrope", "short_factor": [1, 2, 3], "long_factor": [1, 2, 3, 4, 5, 6, 7, 8]}"#,
            "config.json: 'short_factor' has 3 numbers, but 16 elements of a head turn: 8 are expected"
        ),
        (
            "phi3", #""rope_scaling": {"type": "su", "short_factor": [1, 2, 3, 4, 5, 6, 7, 0], "long_factor": [1, 2, 3, 4, 5, 6, 7, 8]}"#,
            "config.json: 'short_factor' is 0, but a positive number is expected"
        ),
        ("arcee", #""rope_scaling": {"rope_type": "dynamic"}"#, "config.json: the rope parameters have no 'factor'"),
        (
            "olmo3", #""rope_parameters": {"rope_theta": 10000.0}"#,
            "config.json: 'rope_parameters' has 'rope_theta', but settings of this model are those of 'full_attention' and 'sliding_attention'"
        ),
        (
            "llama4_text", #""num_experts_per_tok": 1, "num_local_experts": 2, "moe_layers": [4]"#,
            "config.json: 'moe_layers' has 4, but layers go from 0 to 3"
        ),
        ("llama4_text", #""attention_chunk_size": null"#, "config.json: 'attention_chunk_size' is null, but layers look at chunks"),
        (
            "llama4_text", #""layer_types": ["sliding_attention", "full_attention", "full_attention", "full_attention"]"#,
            #"config.json: layer type "sliding_attention" is unknown"#
        ),
        (
            "llama4_text", #""rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}"#,
            "config.json: the rotation multiplies heads by 1.138629436111989, which norms behind it would take away again; "
                + "that is not built here"
        ),
        ("smollm3", #""no_rope_layers": [1, 0]"#, "config.json: 'no_rope_layers' has 2 entries; 0 or 1 is expected for each of 4 layers"),
        (
            "smollm3", #""layer_types": ["sliding_attention", "full_attention", "full_attention", "full_attention"]"#,
            "config.json: layer_types has layers that slide, but 'use_sliding_window' is false or there is no window"
        ),
        (
            "exaone4", #""sliding_window_pattern": "LLLG""#,
            #"config.json: 'sliding_window_pattern' is "LLLG", but a whole number from 1 to 1048576 is expected"#
        ),
        ("olmo3", #""sliding_window": null"#, "config.json: 'sliding_window' is null, but 3 layers slide"),
        ("gemma3", "", "config.json: a gemma3 has 'text_config', which says what its text model is"),
        (
            "mistral3", #""text_config": {"model_type": "qwen3"}"#,
            "config.json: the text model of this mistral3 is a 'qwen3'; these can be run: mistral, ministral3"
        ),
    ])
    func refuses(modelType: String, members: String, message: String) throws {
        let error = try #require(throws: ModelError.self) { try Self.describe(modelType, members) }
        #expect(error.message == message)
    }

    /// As Python takes it, also where what is left out is true.
    @Test func nullIsFalse() throws {
        #expect(try Self.describe("falcon", #""parallel_attn": null"#).layers[0].wiring == .sequential)
        #expect(try Self.describe("falcon", "").layers[0].wiring == .parallel(sharesNorm: true))
    }

    /// Phi-3 called it so before LongRoPE had a name, and meant nothing else by YaRN.
    @Test(arguments: ["su", "longrope", "yarn"])
    func phi3MeansLongrope(type: String) throws {
        let factors = #""short_factor": [1, 1, 1, 1, 1, 1, 1, 1], "long_factor": [2, 2, 2, 2, 2, 2, 2, 2]"#
        let model = try Self.describe("phi3", #""max_position_embeddings": 131072, "rope_scaling": {"type": "\#(type)", \#(factors)}"#)
        guard case .longrope(let settings)? = model.layers[0].attention.rotary?.scaling else {
            Issue.record("\(model.layers[0].attention)")
            return
        }
        #expect(settings.originalContextLength == 4096 && settings.longFactors == Array(repeating: 2, count: 8))
        #expect(settings.magnitude == LongRopeScaling.magnitude(factor: 32, originalContextLength: 4096))
    }

    /// A yarn with neither factor nor original context does nothing.
    @Test func missingNumbersOfYarnAreThoseOfTheContext() throws {
        let model = try Self.describe("arcee", #""max_position_embeddings": 64, "rope_scaling": {"rope_type": "yarn"}"#)
        #expect(model.layers[0].attention.rotary?.scaling == .yarn(YarnScaling(factor: 1, originalContextLength: 64)))
        #expect(model.layers[0].attention.rotary?.frequencies(headWidth: 16) == RotaryEmbedding(theta: 10_000).frequencies(headWidth: 16))
    }

    @Test func dynamicReachesFactorTimesAsFar() throws {
        let model = try Self.describe("llama", #""max_position_embeddings": 100, "rope_scaling": {"type": "dynamic", "factor": 4}"#)
        #expect(model.contextLength == 400)
        #expect(model.layers[0].attention.rotary?.scaling == .dynamic(factor: 4, contextLength: 100))
    }

    @Test func unknownMembersOfRopeParametersAreSaid() throws {
        let model = try Self.describe("llama", #""rope_scaling": {"type": "linear", "factor": 2, "finetuned": true, "alpha": 8}"#)
        #expect(
            model.remarks == [
                "config.json: 'finetuned' of 'rope_scaling', 'alpha' of 'rope_scaling' are not followed, as transformers' own llama does not either"
            ])
    }

    /// The head is the larger model's.
    @Test func textPartsAreNamedAsInTheLargerModel() throws {
        let text =
            #""text_config": {"model_type": "ministral3", "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2, "vocab_size": 9, "tie_word_embeddings": false}"#
        let model = try Self.describe("mistral3", text)
        #expect(model.modelType == "mistral3" && model.head.isTied && model.layers.count == 2)
        #expect(model.name(.query, layer: 1) == "model.language_model.layers.1.self_attn.q_proj" && model.name(.head) == "lm_head")
        #expect(
            model.spelling.names(inFilesFor: "model.language_model.norm.weight")
                == ["model.language_model.norm.weight", "language_model.model.norm.weight"])
        #expect(model.spelling.names(inFilesFor: "lm_head.weight") == ["lm_head.weight", "language_model.lm_head.weight"])
        #expect(try !Self.describe("mistral3", text + #", "tie_word_embeddings": false"#).head.isTied)
    }
}
