import Architectures
import ByteIO
import JSONText
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// Models in the files of those who made them are the Hugging Face models of the same weights, or are refused.
@Suite struct OwnNamesTests {
    private static func open(_ name: String) throws -> Checkpoint { try Checkpoint.open(Fixture.path("layouts/\(name)")) }

    /// Those of transformers' models that the files were made of, byte for byte.
    @Test(arguments: [("mistral", 4), ("meta-llama", 5), ("nanogpt", 1), ("llm.c", 1)])
    func tensorsAreThoseOfTransformers(_ name: String, _ count: Int) throws {
        let checkpoint = try Self.open(name)
        let expected = try storedTensors(at: Fixture.path("layouts/\(name).expected.safetensors")).values.filter { $0.name.contains(".") }
        #expect(expected.count == count && checkTensorSource(checkpoint.source) == [])
        for tensor in expected {
            let logical = try #require(checkpoint.tensors.first { $0.name == tensor.name })
            #expect(logical.shape.dimensions == tensor.dimensions && logical.scalarType == tensor.scalarType)
            let values = try checkpoint.reader(of: logical, order: .outputsByInputs).allElements()
            #expect(values == Self.turned(tensor, logical.orientation), "\(tensor.name)")
        }
    }

    /// The values of a tensor as [out, in].
    private static func turned(_ tensor: StoredTensor, _ orientation: Orientation) -> [Float] {
        var values = [Float](repeating: 0, count: tensor.dimensions.reduce(1, *))
        var span = values.mutableSpan
        tensor.bytes.withUnsafeBytes { FloatConversion.widen(RawSpan(_unsafeBytes: $0), of: tensor.scalarType, into: &span) }
        guard orientation == .inputsByOutputs else { return values }
        let (rows, columns) = (tensor.dimensions[0], tensor.dimensions[1])
        return (0..<columns).flatMap { column in (0..<rows).map { values[$0 * columns + column] } }
    }

    // MARK: - Configuration

    /// What is no default of transformers' class, or is said by the files.
    @Test func configIsThatOfTransformers() throws {
        let expected = try #require(try JSONValue(parsing: Fixture.bytes(Fixture.path("layouts/mistral.expected-config.json"))).object)
        let config = try #require(try Self.open("mistral").config?.object)
        let unstated = ["initializer_range", "max_position_embeddings", "transformers_version"]
        for member in expected.members where !unstated.contains(member.key) {
            #expect(config[member.key] == member.value, "\(member.key)")
        }
        #expect(config["architectures"] == .array([.string("MistralForCausalLM")]) && config["rope_theta"] == .double(1e6))
    }

    @Test(arguments: [
        ("mistral", "safetensors checkpoint in Mistral's layout", 128_000), ("meta-llama", "PyTorch checkpoint in Meta's layout", 2048),
        ("nanogpt", "PyTorch checkpoint in nanoGPT's layout", 12), ("llm.c", "llm.c file", 24), ("llama2.c", "llama2.c file", 24),
    ])
    func kindAndLengthAreTold(_ name: String, _ title: String, _ contextLength: Int) throws {
        let checkpoint = try Self.open(name)
        #expect(checkpoint.kind.title == title && checkpoint.foreignWeights == nil)
        #expect(try checkpoint.describedModel().contextLength == contextLength)
        #expect(MissingTensors.find(in: checkpoint).isEmpty)
    }

    /// Llama 3 and later are told by their number of tokens and the setting of their rotations.
    @Test(
        arguments: [
            (#""rope_theta": 500000.0, "vocab_size": 128256"#, 128_256, 4096, 2048, nil),
            (#""rope_theta": 500000.0, "use_scaled_rope": true"#, 128_256, 4096, 2048, 8.0),
            (#""use_scaled_rope": true, "rope_scaling_factor": 32, "max_seq_len": 131072"#, 128_256, 3072, 131_072, 32.0),
            (#""use_scaled_rope": false"#, 32_000, 3072, 2048, nil),
            (#""max_seq_len": 100"#, 32_000, 4096, 100, nil),
        ] as [(String, Int, Int, Int, Double?)])
    func laterModelsAreTold(_ members: String, _ vocabulary: Int, _ width: Int, _ length: Int, _ factor: Double?) throws {
        let folder = try TemporaryFolder()
        let text = #"{"dim": \#(width), "n_layers": 2, "n_heads": 32, "n_kv_heads": 8, "norm_eps": 1e-05, "multiple_of": 256, \#(members)}"#
        let parameters = try MetaParameters(InputFile(path: folder.write(text, to: "params.json")))
        let made = parameters.config(vocabularySize: vocabulary, innerWidth: 14_336, hasHead: true, scalarType: .bf16)
        #expect(made.config["max_position_embeddings"] == .integer(length))
        #expect(made.config["eos_token_id"] == .integer(vocabulary == 128_256 ? 128_001 : 2))
        let scaling = made.config["rope_scaling"]
        #expect(scaling?["factor"] == factor.map { .double($0) } && (factor == nil || scaling?["rope_type"] == .string("llama3")))
    }

    /// Meta's program and published configurations disagree about narrow models: nobody guesses.
    @Test func unknownScalingIsRefused() throws {
        let folder = try TemporaryFolder()
        let text = #"{"dim": 3072, "n_layers": 2, "n_heads": 32, "norm_eps": 1e-05, "use_scaled_rope": true, "rope_scaling_factor": null}"#
        let refusal = try #require(MetaParameters(InputFile(path: folder.write(text, to: "params.json"))).refusal)
        #expect(
            refusal.message.hasPrefix("is true, but nothing says by how much rotations are scaled: Meta's program takes 8, config.json of")
                && refusal.hint == "add \"rope_scaling_factor\" to params.json: 32 for Llama 3.2, 8 for what Meta's program computes")
    }

    /// mistral-inference takes another base where there is no window.
    @Test(arguments: [(#""sliding_window": 4096"#, 10_000.0), (#""sliding_window": null"#, 1e6), (#""rope_theta": 5e5"#, 5e5)])
    func mistralsRotationsDependOnTheWindow(_ member: String, _ theta: Double) throws {
        let folder = try TemporaryFolder()
        let text = #"{"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 96, "norm_eps": 1e-05, \#(member)}"#
        let parameters = try MetaParameters(InputFile(path: folder.write(text, to: "params.json")))
        let made = parameters.config(vocabularySize: 64, innerWidth: 96, hasHead: true, scalarType: .bf16)
        #expect(made.config["rope_theta"] == .double(theta))
    }

    static let parameters: [(text: String, refusal: String)] = [
        ("[]", "is no JSON object"), ("{", "byte 1: the text ends where a value should be"),
        (#"{"dim": 64}"#, "'n_layers': is missing"),
        (#"{"dim": 64, "n_layers": 1025}"#, "'n_layers': is 1025, but a whole number from 1 to 1024 is expected"),
        (#"{"dim": 1e3, "n_layers": 1}"#, "'dim': is 1e3, but a whole number from 1 to 16777216 is expected"),
        (#"{"dim": 64, "n_layers": 1, "n_heads": 4, "norm_eps": 0}"#, "'norm_eps': is 0, but a number above 0 is expected"),
        (#"{"dim": 64, "n_layers": 1, "n_heads": 4, "n_kv_heads": 3, "norm_eps": 1e-5}"#, "n_heads is 4, no multiple of n_kv_heads, 3"),
        (#"{"dim": 65, "n_layers": 1, "n_heads": 4, "norm_eps": 1e-5}"#, "dim is 65, no multiple of n_heads, 4"),
        (#"{"dim": 60, "n_layers": 1, "n_heads": 4, "norm_eps": 1e-5}"#, "heads are 15 wide, but elements are rotated in pairs"),
        (
            #"{"dim": 64, "n_layers": 1, "n_heads": 4, "n_kv_heads": 2, "norm_eps": 1e-5, "use_scaled_rope": "yes"}"#,
            "'use_scaled_rope': is \"yes\", but true or false is expected"
        ),
        (
            #"{"dim": 64, "n_layers": 1, "n_heads": 4, "n_kv_heads": 2, "norm_eps": 1e-5, "vocab_size": 65}"#,
            "'vocab_size': is 65, but the tensors have 64 rows; hint: params.json is that of another model"
        ),
        (
            #"{"dim": 64, "n_layers": 1, "n_heads": 4, "n_kv_heads": 2, "norm_eps": 1e-5, "moe": {"num_experts": 8}}"#,
            "'moe': is not followed: a model of Mistral's or Meta's own layout that has it computes something else; "
                + "hint: take the Hugging Face files of the same model (model*.safetensors), if it has some"
        ),
    ]

    @Test(arguments: parameters) func refusesWrongParameters(_ parameters: (text: String, refusal: String)) throws {
        let folder = try Self.pieces()
        try folder.write(parameters.text, to: "params.json")
        #expect(OpeningTests.refusal(in: folder) == "FOLDER/params.json: \(parameters.refusal)")
    }

    private static func pieces() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for name in ["consolidated.00.pth", "consolidated.01.pth", "params.json"] {
            try folder.copy(Fixture.path("layouts/meta-llama/\(name)"))
        }
        return folder
    }

    /// A model that computes something else can be looked at, under the names that it has.
    @Test func whatIsNotFollowedIsLookedAt() throws {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.path("layouts/mistral/consolidated.safetensors"))
        try folder.write(
            #"{"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 96, "norm_eps": 1e-5, "quantization": {"qformat_weight": "int4"}}"#,
            to: "params.json")
        let checkpoint = try Checkpoint.open(folder.path)
        #expect(checkpoint.tensors.contains { $0.name == "tok_embeddings.weight" } && checkpoint.foreignWeights?.kind == .layout)
        #expect(
            checkpoint.warnings.first?.hasSuffix(
                "'quantization': is not followed: a model of Mistral's or Meta's own layout that has it computes something else") == true)
    }

    // MARK: - Tensors

    static let others: [(parameters: String, refusal: String)] = [
        (
            #""n_layers": 2, "hidden_dim": 96, "n_kv_heads": 2, "head_dim": 16"#,
            "tensor 'layers.0.attention.wq.weight': has shape [128, 64], but by params.json all of it is [64, 64]"
        ),
        (
            #""n_layers": 1, "hidden_dim": 96, "n_kv_heads": 2, "head_dim": 32"#,
            "tensor 'layers.1.attention.wk.weight': is none of a mistral with 1 layers as params.json describes it; "
                + "hint: params.json is that of another model, or it computes something that is not known"
        ),
        (
            #""n_layers": 3, "hidden_dim": 96, "n_kv_heads": 2, "head_dim": 32"#,
            "lacks 9 of the tensors that params.json asks for, the first is 'layers.2.attention_norm.weight'; "
                + "hint: fetch all files of the model, of one revision"
        ),
    ]

    @Test(arguments: others) func refusesOtherTensors(_ other: (parameters: String, refusal: String)) throws {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.path("layouts/mistral/consolidated.safetensors"))
        try folder.write(#"{"dim": 64, "n_heads": 4, "norm_eps": 1e-5, \#(other.parameters)}"#, to: "params.json")
        #expect(OpeningTests.refusal(in: folder) == "FOLDER/consolidated.safetensors: \(other.refusal)")
    }

    /// One file, shards with an index, shards without one: the same model, in the order of the model.
    @Test func shardsAreTheModel() throws {
        let whole = try Self.open("mistral")
        let tensors = try SafetensorsFile(path: Fixture.path("layouts/mistral/consolidated.safetensors")).storedTensors()
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.path("layouts/mistral/params.json"))
        let names = (1...2).map { "consolidated-0000\($0)-of-00002.safetensors" }
        try folder.write(Array(tensors[..<9]).safetensors(), to: names[0])
        try folder.write(Array(tensors[9...]).safetensors(), to: names[1])
        for hasIndex in [false, true] {
            if hasIndex {
                let map = tensors.enumerated().map { "\"\($0.element.name)\": \"\(names[$0.offset < 9 ? 0 : 1])\"" }
                try folder.write("{\"weight_map\": {\(map.joined(separator: ", "))}}", to: "consolidated.safetensors.index.json")
            }
            let sharded = try Checkpoint.open(folder.path)
            #expect(sharded.kind.title == "safetensors checkpoint in Mistral's layout" && checkTensorSource(sharded.source) == [])
            #expect(try sharded.source.storedTensors() == whole.source.storedTensors() && sharded.config == whole.config)
            // One of them alone is what it is called.
            #expect(try Checkpoint.open(folder.path(names[0])).tensors.count == 9)
        }
        folder.remove("consolidated.safetensors.index.json")
        try folder.write(Array(tensors[8...]).safetensors(), to: names[1])
        #expect(
            OpeningTests.refusal(in: folder)
                == "FOLDER/\(names[1]): tensor '\(tensors[8].name)': is also in '\(names[0])'; "
                + "hint: the files are not of one model; fetch all of them again")
    }

    /// Hugging Face's files of the same model go first.
    @Test func theFilesForTransformersGoFirst() throws {
        let folder = try TemporaryFolder()
        for name in ["consolidated.safetensors", "params.json"] { try folder.copy(Fixture.path("layouts/mistral/\(name)")) }
        try folder.write([StoredTensor("model.norm.weight", [1], [1])].safetensors(), to: "model.safetensors")
        #expect(try Checkpoint.open(folder.path).kind == .huggingFace)
        #expect(try Checkpoint.open(folder.path("consolidated.safetensors")).tensors.count == 21)
    }
}
