import ByteIO
import JSONText
import TestSupport
import Testing

@testable import Adapters

@Suite struct ConfigurationTests {
    private static func refusal(_ name: String, _ value: JSONValue) throws -> FileError? {
        var object = JSONObject(["peft_type": .string("LORA"), "r": .integer(2)])
        object[name] = value
        let folder = try AdapterFolder([:], AdapterFolder.factors("q"))
        try folder.folder.write(JSONValue.object(object).text(.indented), to: "adapter_config.json")
        return folder.refusal()
    }

    private static func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    @Test(arguments: [
        ("alora_invocation_tokens", "[1, 2]", "[1, 2] is not supported: the adapter would act only after certain tokens (aLoRA)"),
        ("arrow_config", "{\"top_k\": 3}", "{\"top_k\": 3} is not supported: it routes between several adapters (Arrow)"),
        ("kasa_config", "{\"beta\": 1}", "{\"beta\": 1} is not supported: it cuts singular values off the base's weights (KaSA)"),
        ("layer_replication", "[[0, 4], [2, 5]]", "[[0, 4], [2, 5]] is not supported: it stacks layers of the base more than once"),
        ("megatron_config", "{\"a\": 1}", "{\"a\": 1} is not supported: its layers are Megatron's, split over several machines"),
        ("monteclora_config", "{\"a\": 1}", "{\"a\": 1} is not supported: it samples its weights (MonteCLoRA)"),
        ("use_bdlora", "{\"nblocks\": 2}", "{\"nblocks\": 2} is not supported: its factors are block diagonal (BD-LoRA)"),
        ("use_qalora", "true", "true is not supported: its inputs are pooled in groups (QALoRA)"),
        ("use_new_idea", "true", "the field is unknown, and true may change the arithmetic"),
        ("twist", "0.5", "the field is unknown, and 0.5 may change the arithmetic"),
        ("init_lora_weights", "\"pissa_niter_16\"", "'pissa_niter_16' changes the weights of the base before training"),
        ("init_lora_weights", "\"olora\"", "'olora' changes the weights of the base before training"),
        ("init_lora_weights", "\"corda\"", "'corda' changes the weights of the base before training"),
        ("init_lora_weights", "\"loftq\"", "'loftq' changes the weights of the base before training"),
        ("init_lora_weights", "\"lora_ga\"", "'lora_ga' changes the weights of the base before training"),
        ("init_lora_weights", "\"magic\"", "'magic' is unknown"), ("init_lora_weights", "3", "is 3, but a boolean or a name is expected"),
        ("r", "0", "is 0, but a whole number greater than 0 is expected"),
        ("r", "2.5", "is 2.5, but a whole number greater than 0 is expected"),
        ("lora_alpha", "\"8\"", "is \"8\", but a finite number is expected"),
        ("lora_alpha", "1e999", "is 1e999, but a finite number is expected"),
        ("use_rslora", "1", "is 1, but true or false is expected"),
        ("bias", "\"some\"", "is \"some\", but 'none', 'all' or 'lora_only' is expected"),
        ("modules_to_save", "\"lm_head\"", "is \"lm_head\", but a list of names is expected"),
        ("rank_pattern", "[1]", "is [1], but an object of names and numbers is expected"),
        ("rank_pattern", "{\"q\": 0}", "is 0, but a number that makes sense there is expected"),
        ("alpha_pattern", "{\"(?=q)\": 1}", "the expression '(?=q)' is not understood: '(?' is understood only as '(?:', at character 2"),
        ("trainable_token_indices", "[3, 3]", "names a token twice"),
        ("trainable_token_indices", "[-1]", "is -1, but a token id of 0 or more is expected"),
    ])
    func refusesByName(_ name: String, _ value: String, _ message: String) throws {
        let error = try #require(try Self.refusal(name, try Self.json(value)))
        #expect(error.path == "adapter_config.json" && error.place == "'\(name)'" && error.message == message)
    }

    @Test(arguments: [
        ("use_new_idea", "false"), ("twist", "null"), ("plan", "{}"), ("list", "[]"), ("init_lora_weights", "\"gaussian\""),
        ("init_lora_weights", "false"), ("init_lora_weights", "\"eva\""), ("lora_dropout", "0.1"), ("layers_to_transform", "[1]"),
        ("velora_config", "{\"num_groups\": 64}"), ("target_parameters", "[]"), ("runtime_config", "{\"a\": 1}"),
        ("megatron_core", "\"other\""), ("task_type", "\"SEQ_CLS\""), ("loftq_config", "{\"loftq_bits\": 4}"),
    ])
    func acceptsWhatChangesNothing(_ name: String, _ value: String) throws {
        #expect(try Self.refusal(name, try Self.json(value)) == nil)
    }

    @Test(
        arguments: [
            ("{\"peft_type\": \"IA3\"}", nil, "the adapter is of kind 'IA3', but only 'LORA' is supported", nil),
            (
                "{\"peft_type\": \"PROMPT_TUNING\"}", nil, "the adapter is of kind 'PROMPT_TUNING', but only 'LORA' is supported",
                "it adds to the prompt, not to the weights: there is nothing that could be merged"
            ),
            ("{\"r\": 8}", nil, "has no 'peft_type', so it is no configuration of a PEFT adapter", nil),
            (
                "{\"fine_tune_type\": \"lora\", \"num_layers\": 4}", nil, "is the configuration of an MLX adapter",
                "the adapter of MLX is the file adapters.safetensors; these are weights under PEFT's name"
            ),
            ("[]", nil, "is no JSON object, but adapter_config.json is one", nil),
            (
                "{\"r\": 8", "byte 7", "',' or '}' is expected here, but the text ends",
                "fetch it again: it is cut, or a web page or a Git LFS pointer came in its place"
            ),
        ] as [(String, String?, String, String?)])
    func refusesOtherKinds(_ text: String, _ place: String?, _ message: String, _ hint: String?) throws {
        let folder = try AdapterFolder([:], AdapterFolder.factors("q"))
        try folder.folder.write(text, to: "adapter_config.json")
        #expect(folder.refusal() == FileError("adapter_config.json", at: place, message, hint: hint))
    }

    /// Every field of the table, at its default, as in a configuration that is made new.
    @Test func newConfigurationsHaveEveryField() throws {
        let configuration = try AdapterConfiguration(
            rank: 4, alpha: 8, targetModules: ["q_proj"], rankPattern: [("model.layers.0.q_proj", 2)],
            alphaPattern: [("model.layers.0.q_proj", 0.5)], usesRankStabilization: true, fanInFanOut: true)
        #expect(configuration.document.members.map(\.key) == ConfigurationField.all.map(\.name))
        #expect(configuration.rank(of: "model.layers.0.q_proj") == 2 && configuration.rank(of: "model.layers.10.q_proj") == 4)
        #expect(configuration.rank(of: "x.model.layers.0.q_proj") == 4)
        #expect(configuration.scaling(of: "model.layers.0.q_proj") == 0.5 / 2.0.squareRoot())
        #expect(configuration.scaling(of: "model.layers.1.q_proj") == 4)
        #expect(configuration.document["rank_pattern"]?.text(.python) == "{\"^model\\\\.layers\\\\.0\\\\.q_proj\": 2}")
    }

    /// The fields are those of PEFT 0.21.2: a configuration that it wrote has each of them, and no other.
    @Test func tableHasTheFieldsOfPEFT() throws {
        let document = try Adapter.open(Fixture.adapter("llama-plain")).configuration.document
        #expect(document.members.map(\.key) == ConfigurationField.all.map(\.name))
        for field in ConfigurationField.all {
            guard case .refused = field.treatment else { continue }
            #expect(ConfigurationField.isOff(field.defaultValue) && document[field.name] == field.defaultValue)
        }
    }

    @Test func tellsConfigurationsApart() throws {
        let a = try AdapterConfiguration(rank: 4, alpha: 8, targetModules: ["q"], others: [("bias", .string("all"))])
        let b = try AdapterConfiguration(rank: 4, alpha: 16, targetModules: ["k"], fanInFanOut: true, dropout: 0.1)
        #expect(
            a.differences(from: b) == [
                ConfigurationDifference(field: "bias", first: .string("all"), second: .string("none")),
                ConfigurationDifference(field: "lora_alpha", first: .integer(8), second: .integer(16)),
            ])
        #expect(a.differences(from: a).isEmpty)
    }
}
