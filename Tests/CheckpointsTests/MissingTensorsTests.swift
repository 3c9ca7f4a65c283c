import ByteIO
import Glibc
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// What a checkpoint lacks is named, and nothing is named that is not lacking.
@Suite struct MissingTensorsTests {
    /// Models that transformers wrote, of different families.
    private static let whole = [
        Fixture.checkpoint("llama/dense-bf16"), Fixture.checkpoint("llama/nf4-f32"), Fixture.checkpoint("gpt2/dense-f32"),
        Fixture.checkpoint("variants/dense-bf16"), Fixture.transformer("qwen2"), Fixture.transformer("qwen3"),
        Fixture.transformer("mistral"), Fixture.transformer("llama-biased"),
    ]

    @Test(arguments: whole) func wholeModelsLackNothing(_ path: String) throws {
        #expect(MissingTensors.find(in: try Checkpoint.open(path)) == [])
    }

    /// Each tensor in turn; only a bias of one layer alone, of many, is no more than a difference.
    @Test(arguments: whole) func eachTensorIsMissed(_ path: String) throws {
        let checkpoint = try Checkpoint.open(path)
        let all = checkpoint.tensors.map(\.name)
        let folder = try TemporaryFolder()
        try folder.copy(path + "/config.json")
        var count = 0
        for name in all {
            try Self.write(checkpoint, without: [name], to: folder)
            let found = MissingTensors.find(in: try Checkpoint.open(folder.path)).map(\.name)
            #expect(found == [name], "without '\(name)'")
            count += 1
        }
        #expect(count > 10)
    }

    /// Names and shapes are enough; the bytes are zeros.
    private static func write(_ checkpoint: Checkpoint, without absent: Set<String>, to folder: TemporaryFolder) throws {
        let kept = checkpoint.tensors.filter { !absent.contains($0.name) }
        let tensors = kept.map { tensor in
            StoredTensor(
                tensor.name, .bf16, tensor.shape.dimensions, [UInt8](repeating: 0, count: 2 * tensor.shape.elementCount))
        }
        try folder.write(tensors.safetensors(), to: "model.safetensors")
    }

    // MARK: - Families that are not known

    /// - Parameter layers: the names of each layer's tensors, in order.
    private static func find(_ layers: [[String]], config: String = #"{"model_type":"unheard-of"}"#) throws -> [String] {
        let folder = try TemporaryFolder()
        try folder.write(config, to: "config.json")
        let tensors = layers.enumerated().flatMap { number, rests in
            rests.map { rest in
                let dimensions = rest.hasSuffix(".weight") && !rest.contains("norm") ? [2, 2] : [2]
                return StoredTensor("model.layers.\(number).\(rest)", dimensions, [Float](repeating: 0, count: dimensions.reduce(1, *)))
            }
        }
        try folder.write(tensors.safetensors(), to: "model.safetensors")
        return MissingTensors.find(in: try Checkpoint.open(folder.path)).map(\.name)
    }

    private static let full = ["attn.q.weight", "attn.o.weight", "mlp.up.weight", "in_norm.weight", "mlp.up.bias"]
    private static func lacking(_ rests: String...) -> [String] { full.filter { !rests.contains($0) } }

    @Test func oneLayerThatHasLessLacksTheRest() throws {
        #expect(try Self.find([Self.full, Self.lacking("attn.o.weight"), Self.full]) == ["model.layers.1.attn.o.weight"])
        #expect(
            try Self.find([Self.full, Self.lacking("attn.o.weight", "in_norm.weight"), Self.full])
                == ["model.layers.1.attn.o.weight", "model.layers.1.in_norm.weight"])
        // A matrix is missed in the first and the last layer, too.
        #expect(try Self.find([Self.lacking("attn.o.weight"), Self.full, Self.full]) == ["model.layers.0.attn.o.weight"])
        #expect(try Self.find([Self.full, Self.lacking("attn.o.weight")]) == ["model.layers.1.attn.o.weight"])
        // A weight is missed beside its bias, in all layers at once.
        let biases = Self.lacking("mlp.up.weight")
        #expect(try Self.find([biases, biases]) == ["model.layers.0.mlp.up.weight", "model.layers.1.mlp.up.weight"])
    }

    @Test func layersOfSeveralKindsLackNothing() throws {
        // A first layer without a norm, a kind that several layers are of, and layers that have something of their own.
        #expect(try Self.find([Self.lacking("in_norm.weight"), Self.full, Self.full]) == [])
        let short = Self.lacking("attn.o.weight", "mlp.up.weight", "mlp.up.bias")
        #expect(try Self.find([Self.full, short, Self.full, short]) == [])
        #expect(try Self.find([Self.full, short + ["mixer.x.weight"], Self.full]) == [])
        // Without a configuration nobody knows what it should be.
        #expect(try Self.find([Self.full, short], config: "[]") == [])
    }

    @Test func wholeLayersAreMissed() throws {
        #expect(try Self.find([Self.full, [], Self.full]) == ["model.layers.1"])
        let counted = #"{"model_type":"unheard-of","num_hidden_layers":4}"#
        #expect(try Self.find([Self.full, Self.full], config: counted) == ["model.layers.2", "model.layers.3"])
        #expect(try Self.find([Self.full, Self.full, Self.full, Self.full], config: counted) == [])
        // More than are counted is another matter.
        #expect(try Self.find([Self.full, Self.full], config: #"{"num_hidden_layers":1}"#) == [])
    }

    // MARK: - Heads and scales

    @Test(arguments: [
        (#"{"tie_word_embeddings":false}"#, ["lm_head.weight"]), (#"{"tie_word_embeddings":true}"#, []),
        (#"{}"#, ["lm_head.weight"]), (#"{"architectures":["LlamaModel"]}"#, []),
    ]) func headIsMissedWhereItIsNotTied(_ members: String, _ expected: [String]) throws {
        let checkpoint = try Checkpoint.open(Fixture.checkpoint("llama/dense-bf16"))
        let folder = try TemporaryFolder()
        var config = try #require(checkpoint.config?.object)
        config["tie_word_embeddings"] = nil
        for member in try #require(try JSONValue(parsing: Array(members.utf8)).object).members { config[member.key] = member.value }
        try folder.write(JSONValue.object(config).text(.indented), to: "config.json")
        try Self.write(checkpoint, without: ["lm_head.weight"], to: folder)
        #expect(MissingTensors.find(in: try Checkpoint.open(folder.path)).map(\.name) == expected)
    }

    /// A tied model may store the head in place of the embedding.
    @Test func headStandsForTheEmbedding() throws {
        let checkpoint = try Checkpoint.open(Fixture.checkpoint("llama/dense-bf16"))
        let folder = try TemporaryFolder()
        var config = try #require(checkpoint.config?.object)
        config["tie_word_embeddings"] = .bool(true)
        try folder.write(JSONValue.object(config).text(.indented), to: "config.json")
        try Self.write(checkpoint, without: ["model.embed_tokens.weight"], to: folder)
        #expect(MissingTensors.find(in: try Checkpoint.open(folder.path)) == [])
    }

    @Test func scalesOfSmallFloatsAreMissed() throws {
        func find(_ tensors: [StoredTensor], _ config: String) throws -> [String] {
            let folder = try TemporaryFolder()
            try folder.write(config, to: "config.json")
            try folder.write(tensors.safetensors(), to: "model.safetensors")
            return MissingTensors.find(in: try Checkpoint.open(folder.path)).map(\.name)
        }
        let (a, b) = (StoredTensor("a.weight", .f8e4m3, [1, 2], [1, 2]), StoredTensor("b.weight", .f8e4m3, [1, 2], [1, 2]))
        let scale = StoredTensor("a.weight_scale_inv", [1, 1], [0.5])
        #expect(try find([a, b, scale], "{}") == ["b.weight_scale_inv"])
        #expect(try find([a, scale], "{}") == [])
        #expect(try find([a, b], "{}") == [])
    }

    // MARK: - Other models

    /// Folders `*/full` of models of many families, which are not part of the project.
    private static let external = ExternalFolder(in: "QNF_ARCHITECTURES")

    @Test(.enabled(if: external.isPresent, "\(external.absence)")) func everyTensorOfManyFamiliesIsMissed() throws {
        let root = try Self.external.required()
        var count = 0
        for name in try FilePath.entries(of: root) where FilePath.kind(of: "\(root)/\(name)/full") == .folder {
            let checkpoint = try Checkpoint.open("\(root)/\(name)/full")
            guard checkpoint.foreignWeights == nil else { continue }
            #expect(MissingTensors.find(in: checkpoint) == [], "\(name)")
            let folder = try TemporaryFolder()
            try folder.copy("\(root)/\(name)/full/config.json")
            let isOfSeveralParts = checkpoint.config?["text_config"] != nil
            for tensor in checkpoint.tensors.map(\.name) where !isOfSeveralParts || tensor.contains("language_model") {
                try Self.write(checkpoint, without: [tensor], to: folder)
                #expect(MissingTensors.find(in: try Checkpoint.open(folder.path)).map(\.name) == [tensor], "\(name) without \(tensor)")
                count += 1
            }
        }
        #expect(count > 1000)
    }
}
