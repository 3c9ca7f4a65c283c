import Checkpoints
import CommandLineKit
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect
@testable import qverify

/// Every tool takes models in their makers' own files.
@Suite struct OwnNamesToolTests {
    private static let names = ["mistral", "meta-llama", "nanogpt", "llm.c", "llama2.c"]

    /// A folder for transformers holds the same weights, the other way where its class has them so.
    @Test(arguments: names) func foldersHoldTheSame(_ name: String) throws {
        let folder = try TemporaryFolder(), path = Fixture.path("layouts/\(name)")
        let run = ToolRunner(qconvert, ["to-hf", path, "-o", folder.path("hf"), "-q"])
        #expect(run.status == .done, "\(run.errors)")
        let own = try Checkpoint.open(path), other = try Checkpoint.open(folder.path("hf"))
        #expect(other.kind == .huggingFace && other.config?["model_type"] == own.config?["model_type"])
        #expect(own.tensors.count == other.tensors.count)
        for tensor in own.tensors {
            let same = try #require(other.tensors.first { $0.name == tensor.name })
            #expect(same.shape == tensor.shape && same.scalarType == tensor.scalarType && same.orientation == tensor.orientation)
            let values = try own.reader(of: tensor, order: .outputsByInputs).allElements()
            #expect(try other.reader(of: same, order: .outputsByInputs).allElements() == values, "\(tensor.name)")
        }
    }

    @Test(arguments: names) func fourBitsAreMadeAndMeasured(_ name: String) throws {
        let folder = try TemporaryFolder(), path = Fixture.path("layouts/\(name)"), made = folder.path("m.qnf")
        #expect(ToolRunner(qinspect, ["check", path]).status == .done)
        let run = ToolRunner(qconvert, ["to-nf4", path, "-o", made, "-q"])
        #expect(run.status == .done, "\(run.errors)")
        #expect(ToolRunner(qinspect, ["check", made]).status == .done)
        let roundTrip = ToolRunner(qverify, ["roundtrip", path, made, "-q"])
        #expect(roundTrip.status == .done, "\(roundTrip.output)\(roundTrip.errors)")
        #expect(try Checkpoint.open(made).tensors.contains { $0.quantized != nil })
    }

    /// tekken.json beside a model becomes the tokenizer of a GGUF file.
    @Test func aTokenizerBesideItGoesAlong() throws {
        let folder = try TemporaryFolder()
        try folder.write(
            #"{"dim": 4, "n_layers": 1, "n_heads": 1, "head_dim": 4, "hidden_dim": 8, "norm_eps": 1e-5, "vocab_size": 564}"#,
            to: "params.json")
        try folder.copy(Fixture.path("tokenizers/tekken-json/tekken.json"))
        let shapes: [(String, [Int])] =
            [
                ("tok_embeddings", [564, 4]), ("norm", [4]), ("output", [564, 4]), ("layers.0.attention_norm", [4]),
                ("layers.0.ffn_norm", [4]),
            ]
            + ["wq", "wk", "wv", "wo"].map { ("layers.0.attention.\($0)", [4, 4]) }
            + [("layers.0.feed_forward.w1", [8, 4]), ("layers.0.feed_forward.w2", [4, 8]), ("layers.0.feed_forward.w3", [8, 4])]
        let tensors = shapes.map { name, dimensions in
            StoredTensor(name + ".weight", dimensions, (0..<dimensions.reduce(1, *)).map { Float($0 % 7) / 8 })
        }
        try folder.write(tensors.safetensors(), to: "consolidated.safetensors")
        let path = folder.path("m.gguf")
        let run = ToolRunner(qconvert, ["to-gguf", folder.path, "-o", path, "--type", "f32", "-q"])
        #expect(run.status == .done, "\(run.errors)")
        let own = try Checkpoint.open(folder.path), file = try Checkpoint.open(path)
        #expect(file.files.contains { $0.name == "tokenizer.json" } && file.tensors.count == own.tensors.count)
        for tensor in own.tensors {
            let same = try #require(file.tensors.first { $0.name == tensor.name })
            #expect(try file.reader(of: same).allElements() == own.reader(of: tensor).allElements(), "\(tensor.name)")
        }
    }
}
