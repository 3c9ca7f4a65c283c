import Checkpoints
import JSONText
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Conversion
@testable import Streaming

/// Converting gives what bitsandbytes and transformers give, byte for byte.
@Suite struct ConversionTests {
    struct Twins: Sendable, CustomTestStringConvertible {
        let dense: String
        let quantized: String
        var settings: QuantizationSettings?
        var rules: [(ConversionRules.Action, String)] = []

        var testDescription: String { "\(dense) -> \(quantized)" }
    }

    static let plainFP4 = try? QuantizationSettings(quantType: .fp4, blockSize: 64, isDoubleQuantized: false)
    static let wideBlocks = try? QuantizationSettings(quantType: .nf4, blockSize: 128, isDoubleQuantized: true)

    static let twins = [
        Twins(dense: "llama/dense-f32", quantized: "llama/nf4-f32"),
        Twins(dense: "llama/dense-bf16", quantized: "llama/nf4-bf16"),
        Twins(dense: "llama/dense-bf16", quantized: "llama/fp4-plain-bf16", settings: plainFP4),
        Twins(dense: "gpt2/dense-f32", quantized: "gpt2/nf4-f32"),
        Twins(dense: "../families/phi3", quantized: "../families/phi3/nf4"),
        Twins(dense: "../families/glm4", quantized: "../families/glm4/nf4"),
        Twins(dense: "../families/gpt_neox", quantized: "../families/gpt_neox/nf4"),
        Twins(dense: "../families/bloom", quantized: "../families/bloom/nf4"),
        Twins(dense: "../families/opt", quantized: "../families/opt/nf4"),
        Twins(dense: "../families/opt-sums", quantized: "../families/opt-sums/nf4"),
        Twins(dense: "../families/cohere", quantized: "../families/cohere/nf4"),
        Twins(dense: "../families/gptj", quantized: "../families/gptj/nf4"),
        Twins(dense: "../families/granite4", quantized: "../families/granite4/nf4"),
        Twins(dense: "../transformer/gemma", quantized: "../transformer/gemma/nf4"),
        Twins(dense: "../transformer/gemma2", quantized: "../transformer/gemma2/nf4"),
        Twins(dense: "../transformer/gemma3", quantized: "../transformer/gemma3/nf4"),
        Twins(dense: "gpt2/dense-bf16", quantized: "gpt2/nf4-bf16"),
        Twins(dense: "variants/dense-bf16", quantized: "variants/block128", settings: wideBlocks),
        Twins(dense: "variants/dense-bf16", quantized: "variants/skipped", rules: [(.keep, "down_proj")]),
    ]

    @Test(arguments: twins) func givesEveryByteOfTheLibrary(_ twins: Twins) throws {
        let folder = try TemporaryFolder()
        let rules = try twins.rules.map { ConversionRules.Rule($0.0, try NamePattern($0.1)) }
        try convert(
            Fixture.checkpoint(twins.dense), to: folder.path("model.qnf"), settings: twins.settings, rules: ConversionRules(rules: rules))
        let expected = try storedTensors(at: Fixture.checkpoint(twins.quantized) + "/model.safetensors")
        #expect(try weights(at: folder.path("model.qnf")) == expected)
    }

    @Test func tensorFlowGivesEveryByteOfItsTwin() throws {
        let source = try Fixture.makeOpenAIFolder()
        let folder = try TemporaryFolder()
        try convert(source.path, to: folder.path("model.qnf"))
        let expected = try storedTensors(at: Fixture.checkpoint("gpt2-tensorflow/nf4-f32/model.safetensors"))
        #expect(try weights(at: folder.path("model.qnf")) == expected)
    }

    /// The published GPT-2 has bare names; without a config it is known by its shapes.
    @Test func gpt2WithBareNamesGivesTheSame() throws {
        let prefix = "transformer."
        let folder = try TemporaryFolder()
        let dense = try Checkpoint.open(Fixture.checkpoint("gpt2/dense-f32")).source.storedTensors()
        func bare(_ tensor: StoredTensor) -> StoredTensor {
            var tensor = tensor
            tensor.name = String(tensor.name.dropFirst(prefix.count))
            return tensor
        }
        try folder.write(dense.map(bare).safetensors(), to: "model.safetensors")
        try convert(folder.path("model.safetensors"), to: folder.path("model.qnf"))
        let expected = try storedTensors(at: Fixture.checkpoint("gpt2/nf4-f32/model.safetensors")).values.map(bare)
        #expect(try Set(weights(at: folder.path("model.qnf")).values) == Set(expected))
    }

    /// A trained model, three shards, with weights of more than 256 blocks.
    @Test func sampleGivesEveryByteOfItsTwin() throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.sample("llama-hf"), to: folder.path("model.qnf"))
        #expect(try weights(at: folder.path("model.qnf")) == storedTensors(at: Fixture.sample("llama-bnb4/model.safetensors")))
    }

    static let quantizedFolders = [
        "llama/nf4-f32", "llama/nf4-bf16", "llama/fp4-plain-bf16", "gpt2/nf4-f32", "gpt2/nf4-bf16", "variants/block128", "variants/skipped",
    ]

    @Test(arguments: quantizedFolders) func repackingKeepsEveryByte(_ name: String) throws {
        let folder = try TemporaryFolder()
        let report = try convert(Fixture.checkpoint(name), to: folder.path("model.qnf"))
        let expected = try storedTensors(at: Fixture.checkpoint(name) + "/model.safetensors")
        #expect(try weights(at: folder.path("model.qnf")) == expected)
        #expect(report.quantizedCount == expected.keys.count { $0.contains(".quant_state.") })
    }

    /// Codes may be stored under another type; repacked, they are the same bytes as U8.
    @Test(arguments: ["variants/storage-bf16", "variants/storage-f32"]) func repackingKeepsCodesOfAnyStorage(_ name: String) throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint(name), to: folder.path("model.qnf"))
        var expected = try storedTensors(at: Fixture.checkpoint(name) + "/model.safetensors")
        var wideCount = 0
        for (key, tensor) in expected where expected[key + ".quant_map"] != nil {
            #expect(tensor.scalarType != .u8)
            expected[key] = StoredTensor(key, .u8, [tensor.bytes.count, 1], tensor.bytes)
            wideCount += 1
        }
        #expect(wideCount == 7)
        #expect(try weights(at: folder.path("model.qnf")) == expected)
    }

    @Test func convertingAQNFAgainChangesOnlyItsLineage() throws {
        let folder = try TemporaryFolder()
        let first = try convert(Fixture.checkpoint("gpt2/dense-f32"), to: folder.path("a.qnf"))
        let second = try convert(folder.path("a.qnf"), to: folder.path("b.qnf"))
        #expect(second.fingerprint == first.fingerprint)
        let (a, b) = (try Checkpoint.open(folder.path("a.qnf")), try Checkpoint.open(folder.path("b.qnf")))
        #expect(try a.source.storedTensors() == b.source.storedTensors())
        #expect(a.metadata?.settings == b.metadata?.settings)
        let steps = try #require(b.metadata?.lineage.array)
        #expect(steps.count == 2)
        #expect(steps.first == a.metadata?.lineage.array?.first)
        #expect(steps.last?["source"]?["fingerprint"]?.string == first.fingerprint.description)
    }

    @Test func companionsRideAlongUnchanged() throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint("gpt2/dense-f32"), to: folder.path("model.qnf"))
        let files = try Checkpoint.open(folder.path("model.qnf")).files
        #expect(files.map(\.name) == ["config.json", "generation_config.json"])
        for file in files {
            let source = try TemporaryFolder()
            try source.copy(Fixture.checkpoint("gpt2/dense-f32/\(file.name)"))
            #expect(try file.bytes() == source.bytes(file.name))
        }
    }

    @Test func transposedWeightsKeepTheirOwnShape() throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint("gpt2/dense-f32"), to: folder.path("model.qnf"))
        let tensors = try Checkpoint.open(folder.path("model.qnf")).tensors
        let attention = try #require(tensors.first { $0.name == "transformer.h.0.attn.c_attn.weight" })
        #expect(attention.shape.dimensions == [48, 144])
        #expect(attention.orientation == .inputsByOutputs)
        #expect(attention.quantized?.state.shape.dimensions == [144, 48])
    }
}
