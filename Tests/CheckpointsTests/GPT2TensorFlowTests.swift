import JSONText
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// OpenAI's GPT-2 checkpoint is the Hugging Face model of the same weights, or is refused.
@Suite struct GPT2TensorFlowTests {
    @Test func tensorsAreThoseOfTheTwin() throws {
        let folder = try Fixture.makeOpenAIFolder()
        let tensors = try Checkpoint.open(folder.path).source.storedTensors()
        let lines = tensors.map { "\($0)" }.sorted()
        let expected = try Fixture.table("checkpoints/gpt2-tensorflow/dense.tsv").map { "\($0[3]) \($0[0]) \($0[1]) crc32c \($0[2])" }
            .sorted()
        #expect(lines == expected)
    }

    @Test func weightsThatTransformersTransposesAreMarked() throws {
        let folder = try Fixture.makeOpenAIFolder()
        let tensors = try Checkpoint.open(folder.path).tensors
        let transposed = tensors.filter { $0.orientation == .inputsByOutputs }.map(\.name)
        #expect(transposed.count == 8 && transposed.allSatisfy { $0.contains(".c_") && $0.hasSuffix(".weight") })
    }

    /// What transformers needs to know; everything else is the class's default.
    @Test func configIsThatOfTheTwin() throws {
        let folder = try Fixture.makeOpenAIFolder()
        let checkpoint = try Checkpoint.open(folder.path)
        let config = try #require(checkpoint.config)
        let twin = Fixture.checkpoint("gpt2-tensorflow/nf4-f32")
        let expected = try #require(try Checkpoint.open(twin).config?.object)
        for member in expected.members {
            let isOurs = ["quantization_config", "transformers_version"].contains(member.key)
            if let value = config[member.key], !isOurs { #expect(value == member.value, "\(member.key)") }
        }
        for key in [
            "model_type", "architectures", "vocab_size", "n_positions", "n_embd", "n_head", "n_layer", "activation_function", "dtype",
        ] {
            #expect(config[key] == expected[key] && config[key] != nil, "\(key)")
        }
        #expect(checkpoint.architecture.modelTypes == ["gpt2"])
    }

    @Test func tokenizerGetsTheNamesTransformersLooksFor() throws {
        let folder = try Fixture.makeOpenAIFolder()
        let files = try Checkpoint.open(folder.path).files
        #expect(files.map(\.name) == ["config.json", "generation_config.json", "merges.txt", "tokenizer_config.json", "vocab.json"])
        #expect(try files.first { $0.name == "vocab.json" }?.bytes() == folder.bytes("encoder.json"))
        #expect(try files.first { $0.name == "merges.txt" }?.bytes() == folder.bytes("vocab.bpe"))
        let text = try files.first { $0.name == "tokenizer_config.json" }?.bytes() ?? []
        #expect(try JSONValue(parsing: text)["model_max_length"]?.integer == 64)
    }

    @Test func missingTokenizerIsAWarning() throws {
        for (names, warning) in [
            (["encoder.json"], "encoder.json not found: the model is read without its tokenizer"),
            (["encoder.json", "vocab.bpe"], "encoder.json and vocab.bpe not found: the model is read without its tokenizer"),
        ] {
            let folder = try Fixture.makeOpenAIFolder()
            for name in names { folder.remove(name) }
            let checkpoint = try Checkpoint.open(folder.path)
            #expect(checkpoint.warnings == [warning])
            #expect(checkpoint.files.map(\.name) == ["config.json", "generation_config.json"])
        }
    }

    static let parameters: [(text: String, refusal: String)] = [
        (
            #"{"n_vocab": 300, "n_ctx": 64, "n_embd": 48, "n_head": 4}"#,
            "'n_layer': is missing, but a whole number from 1 to 1024 is expected"
        ),
        (
            #"{"n_vocab": 0, "n_ctx": 64, "n_embd": 48, "n_head": 4, "n_layer": 2}"#,
            "'n_vocab': is 0, but a whole number from 1 to 16777216 is expected"
        ),
        (
            #"{"n_vocab": 300.0, "n_ctx": 64, "n_embd": 48, "n_head": 4, "n_layer": 2}"#,
            "'n_vocab': is 300.0, but a whole number from 1 to 16777216 is expected"
        ),
        (
            #"{"n_vocab": 300, "n_ctx": 16777217, "n_embd": 48, "n_head": 4, "n_layer": 2}"#,
            "'n_ctx': is 16777217, but a whole number from 1 to 16777216 is expected"
        ),
        (
            #"{"n_vocab": 300, "n_ctx": 64, "n_embd": 48, "n_head": 5, "n_layer": 2}"#,
            "n_embd is 48, which is no multiple of n_head, 5"
        ),
        ("{", "byte 1: the text ends where a value should be"),
        ("[]", "'n_vocab': is missing, but a whole number from 1 to 16777216 is expected"),
    ]

    @Test(arguments: parameters) func refusesWrongParameters(_ parameters: (text: String, refusal: String)) throws {
        let folder = try Fixture.makeOpenAIFolder()
        try folder.write(parameters.text, to: "hparams.json")
        let refusal = OpeningTests.refusal(in: folder)
        #expect(refusal == "FOLDER/hparams.json: \(parameters.refusal)")
    }

    /// Found by fuzzing: a table of the variables of 65536 layers took seconds to make.
    @Test func refusesMoreLayersThanItMakesATableOf() throws {
        let folder = try Fixture.makeOpenAIFolder()
        try folder.write(#"{"n_vocab": 5, "n_ctx": 3, "n_embd": 2, "n_head": 1, "n_layer": 1025}"#, to: "hparams.json")
        #expect(
            OpeningTests.refusal(in: folder)
                == "FOLDER/hparams.json: 'n_layer': is 1025, but a whole number from 1 to 1024 is expected")
    }

    static let mismatches: [(parameters: String, refusal: String)] = [
        (
            #"{"n_vocab": 300, "n_ctx": 64, "n_embd": 48, "n_head": 4, "n_layer": 1}"#,
            "tensor 'model/h1/attn/c_attn/b': is no variable of a GPT-2 with 1 layers as hparams.json describes it; "
                + "hint: hparams.json is that of another model, or the model is no plain GPT-2"
        ),
        (
            #"{"n_vocab": 300, "n_ctx": 64, "n_embd": 48, "n_head": 4, "n_layer": 3}"#,
            "12 variables of a GPT-2 are missing, the first is 'model/h2/attn/c_attn/b'"
        ),
        (
            #"{"n_vocab": 301, "n_ctx": 64, "n_embd": 48, "n_head": 4, "n_layer": 2}"#,
            "tensor 'model/wte': has shape [300, 48], but by hparams.json it is [301, 48]"
        ),
    ]

    @Test(arguments: mismatches) func refusesOtherVariables(_ mismatch: (parameters: String, refusal: String)) throws {
        let folder = try Fixture.makeOpenAIFolder()
        try folder.write(mismatch.parameters, to: "hparams.json")
        let refusal = OpeningTests.refusal(in: folder)
        #expect(refusal == "FOLDER/model.ckpt.index: \(mismatch.refusal)")
    }

    /// What the training of a model left beside its weights: 3 slots of each of the 16 variables, and 3 counters.
    @Test func leavesOutTheStateOfTheOptimizer() throws {
        let checkpoint = try Checkpoint.open(Fixture.tensorFlow("trained"))
        #expect(checkpoint.kind == .gpt2TensorFlow && checkpoint.tensors.count == 16)
        #expect(
            checkpoint.warnings.contains("51 tensors of the optimizer that trained it are left out, such as 'beta1_power'"))
    }

    @Test(arguments: [
        ("beta1_power", [], true), ("global_step", [], true), ("model/wte/Adam", [3, 2], true), ("model/wte/Adam_12", [3, 2], true),
        ("model/wte/adam_m", [3, 2], true), ("model/wte/ExponentialMovingAverage", [3, 2], true),
        // Not what an optimizer is known to leave, or not of a variable of the model.
        ("model/wte/lora_a", [3, 2], false), ("model/wte/Adam_x", [3, 2], false), ("model/other/Adam", [3, 2], false),
        ("model/wte_2", [3, 2], false), ("scale", [1], false),
    ])
    func tellsTheStateOfAnOptimizer(_ name: String, _ dimensions: [Int], _ isState: Bool) throws {
        let info = try #require(Shape(dimensions).flatMap { TensorInfo(name: name, scalarType: .f32, shape: $0) })
        #expect(OptimizerState.holds(info, besides: ["model/wte"]) == isState)
    }
}
