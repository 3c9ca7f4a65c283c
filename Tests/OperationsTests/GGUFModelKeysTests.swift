import Architectures
import ByteIO
import GGUFFormat
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import Conversion

/// What a GGUF file says of its model, against files that convert_hf_to_gguf made.
@Suite struct GGUFModelKeysTests {
    static let models = [
        "llama", "llama-bias", "llama-rope3", "llama-spm", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "gpt2", "phi3",
    ]

    private static func config(_ name: String) throws -> JSONObject {
        try #require(try JSONValue(parsing: Fixture.bytes(Fixture.path("gguf/models/\(name)/config.json"))).object)
    }

    private static func keys(_ config: JSONObject, name: String = "Tiny", fileType: Int = 0) throws -> GGUFModelKeys {
        try GGUFModelKeys(
            try ModelDescription(config: .object(config)), config: config, name: name, fileType: fileType, path: "model")
    }

    /// Every key, with type and value, in the order of the file.
    @Test(arguments: models) func keysAreThoseOfTheConverter(_ name: String) throws {
        let file = try GGUFSource(path: Fixture.path("gguf/models/\(name)/model.gguf"))
        let fileType = try #require(try file.metadata.integer("general.file_type"))
        let own = try Self.keys(try Self.config(name), name: "Tiny \(name)", fileType: fileType)
        let expected = file.metadata.entries.filter { !$0.key.hasPrefix("tokenizer.") }
        #expect(own.entries == expected)
        let index = file.tensors.firstIndex { $0.name == "rope_freqs.weight" }
        let factors = try index.map { try file.floats(ofTensor: $0, 0..<file.tensors[$0].elementCount) }
        #expect(own.factors.first?.values == factors && (factors != nil) == (name == "llama-rope3"))
    }

    /// As Llama 3.1 to 3.3 have it.
    @Test func factorsOfLlama3ReachFromOneToTheFactor() throws {
        var config = try Self.config("llama")
        config["head_dim"] = .integer(128)
        config["rope_parameters"] = try JSONValue(
            parsing: Array(
                #"{"rope_type":"llama3","rope_theta":500000.0,"factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192}"#
                    .utf8))
        let factors = try #require(try Self.keys(config).factors.first?.values)
        #expect(factors.count == 64 && factors[0] == 1 && factors[63] == 8)
        #expect(factors == factors.sorted() && factors.contains { $0 > 1 && $0 < 8 })
    }

    static let sizes = [
        (300, "0.30K"), (71_040, "71K"), (999_999, "1000K"), (1_000_001, "1.0M"), (134_515_008, "135M"), (8_030_261_248, "8.0B"),
        (9_960_000_000, "10B"), (70_553_706_560, "71B"), (1_026_000_000_000, "1.0T"),
    ]

    @Test(arguments: sizes) func labelsSizes(_ count: Int, _ label: String) { #expect(SizeLabel.text(parameterCount: count) == label) }

    /// What config.json leaves out is written where a reader would take something else.
    @Test func writesWhatIsUnusual() throws {
        var config = try Self.config("qwen2")
        config["head_dim"] = .integer(12)
        #expect(try Self.keys(config).entries.contains(.init("qwen2.attention.key_length", .u32(12))))
        config = try Self.config("qwen3")
        config["head_dim"] = nil
        #expect(try Self.keys(config).entries.contains(.init("qwen3.attention.value_length", .u32(128))))
        config = try Self.config("gemma2")
        config["rope_parameters"] = .object(["rope_theta": .double(20_000), "rope_type": .string("default")])
        #expect(try Self.keys(config).entries.contains(.init("gemma2.rope.freq_base", .f32(20_000))))
        config = try Self.config("gpt2")
        config["n_inner"] = .integer(100)
        #expect(try Self.keys(config).entries.contains(.init("gpt2.feed_forward_length", .u32(100))))
    }

    /// Weights in bfloat16 round the factor of Gemma's embeddings in transformers, and in no program that runs GGUF files.
    @Test func factorsThatARunRoundsAreNoHindrance() throws {
        let config = try Self.config("gemma3")
        var description = try ModelDescription(config: .object(config))
        #expect(description.embeddingScale == Float(48).squareRoot())
        description.embeddingScale = 6.9375
        let keys = try GGUFModelKeys(description, config: config, name: "Tiny", fileType: 0, path: "model")
        #expect(keys.entries == (try Self.keys(config).entries))
        #expect(
            keys.remarks == [
                "programs that run GGUF files multiply embeddings by 6.928203, where weights of this type make it 6.9375"
            ])
    }

    // MARK: - Refusals

    static let hint = "\nhint: a .qnf or a Hugging Face folder keeps it"
    static let llama3: JSONValue = .object([
        "rope_type": .string("llama3"), "rope_theta": .double(10_000), "factor": .double(8), "low_freq_factor": .double(1),
        "high_freq_factor": .double(4), "original_max_position_embeddings": .integer(32),
    ])

    static let refusals: [(String, JSONObject, String)] = [
        (
            "mistral", JSONObject(["sliding_window": .integer(16)]),
            "the window ('sliding_window', 'layer_types'): is 16 in layer 0, but read from a GGUF file of 'llama' it would be none"
        ),
        (
            "qwen2",
            JSONObject([
                "use_sliding_window": .bool(true), "sliding_window": .integer(16), "layer_types": .null, "max_window_layers": .integer(1),
            ]),
            "the window ('sliding_window', 'layer_types'): is 16 in layer 1, but read from a GGUF file of 'qwen2' it would be none"
        ),
        (
            "gemma3", JSONObject(["layer_types": .array([.string("sliding_attention"), .string("full_attention")])]),
            "the window ('sliding_window', 'layer_types'): is none in layer 1, but read from a GGUF file of 'gemma3' it would be 32"
        ),
        (
            "gpt2", JSONObject(["activation_function": .string("relu")]),
            "the activation ('hidden_act'): is relu in layer 0, but read from a GGUF file of 'gpt2' it would be gelu_new"
        ),
        (
            "gpt2", JSONObject(["scale_attn_by_inverse_layer_idx": .bool(true)]),
            "the factor of scores ('query_pre_attn_scalar', 'scale_attn_weights', 'scale_attn_by_inverse_layer_idx'): is 0.14433756 in "
                + "layer 1, but read from a GGUF file of 'gpt2' it would be 0.28867513"
        ),
        (
            "gemma2", JSONObject(["query_pre_attn_scalar": .integer(25)]),
            "the factor of scores ('query_pre_attn_scalar', 'scale_attn_weights', 'scale_attn_by_inverse_layer_idx'): is 0.2 in layer 0, "
                + "but read from a GGUF file of 'gemma2' it would be 0.25"
        ),
        (
            "gemma2", JSONObject(["attn_logit_softcapping": .null]),
            "'attn_logit_softcapping': is none in layer 0, but read from a GGUF file of 'gemma2' it would be 50.0"
        ),
        (
            "gemma2", JSONObject(["final_logit_softcapping": .null]),
            "'final_logit_softcapping': is none, but read from a GGUF file of 'gemma2' it would be 30.0"
        ),
        (
            "gemma2", JSONObject(["tie_word_embeddings": .bool(false)]),
            "has a head of its own, but in a GGUF file of 'gemma2' the head is always the embedding"
        ),
        (
            "qwen3", JSONObject(["attention_bias": .bool(true)]),
            "has the tensor 'model.layers.0.self_attn.o_proj.bias', but a GGUF file of 'qwen3' has no bias of 'attn_output'"
        ),
        (
            "qwen2", JSONObject(["head_dim": .integer(16)]),
            "'head_dim': is 16, which for 4 heads is 64, but programs that run GGUF files of 'qwen2' take the width of the model, 48"
        ),
        (
            "qwen2", JSONObject(["rope_parameters": llama3]),
            "'rope_scaling': of type 'llama3' becomes a tensor of factors, for which a GGUF file of 'qwen2' has no place"
        ),
    ]

    @Test(arguments: refusals) func refusesWhatAFileCannotSay(_ name: String, _ changes: JSONObject, _ message: String) throws {
        var config = try Self.config(name)
        for member in changes.members { config[member.key] = member.value }
        let error = #expect(throws: FileError.self) { try Self.keys(config) }
        #expect(error?.report == "model: \(message)\(Self.hint)")
    }
}
