import Checkpoints
import Comparison
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Conversion
@testable import Streaming

/// Rules decide in the order in which they are given, the first that matches wins; what cannot be 4-bit stays as it is.
@Suite struct ConversionRulesTests {
    /// Steps of a plan, by name.
    static func steps(
        _ source: String, _ rules: ConversionRules = ConversionRules(), settings: QuantizationSettings? = nil,
        castingTo type: ScalarType? = nil
    ) throws -> [String: String] {
        let plan = try ConversionPlan(
            try Checkpoint.open(source).takingPlainFloat8(), settings: settings, rules: rules, castingTo: type, toolVersion: "1",
            options: [])
        return Dictionary(uniqueKeysWithValues: plan.items.map { ($0.tensor.name, "\($0.step)") })
    }

    static func rules(_ rules: [(ConversionRules.Action, String)], embeddings: Bool = false) throws -> ConversionRules {
        ConversionRules(rules: try rules.map { .init($0.0, try NamePattern($0.1)) }, quantizesEmbeddings: embeddings)
    }

    @Test func firstMatchWins() throws {
        let source = Fixture.checkpoint("llama/dense-bf16")
        let down = (0..<2).map { "model.layers.\($0).mlp.down_proj.weight" }
        let all = try Self.steps(source)
        #expect(down.map { all[$0] } == ["quantize", "quantize"])
        let narrow = try Self.steps(source, Self.rules([(.quantize, "layers\\.1\\."), (.keep, "down_proj"), (.keep, "nothing")]))
        #expect(down.map { narrow[$0] } == ["copy", "quantize"])
        let wide = try Self.steps(source, Self.rules([(.keep, "down_proj"), (.quantize, "layers\\.1\\.")]))
        #expect(down.map { wide[$0] } == ["copy", "copy"])
        let only = try Self.steps(source, Self.rules([(.quantize, "q_proj"), (.keep, "")]))
        #expect(only.filter { $0.value == "quantize" }.keys.sorted() == (0..<2).map { "model.layers.\($0).self_attn.q_proj.weight" })
    }

    @Test func patternsAreSearchedForAnywhere() throws {
        let source = Fixture.checkpoint("llama/dense-bf16")
        for (pattern, count) in [("^lm_head", 1), ("weight$", 16), ("^model$", 0), ("(q|k)_proj", 4), ("\\.\\d\\.mlp", 6)] {
            let steps = try Self.steps(source, Self.rules([(.quantize, pattern), (.keep, "")]))
            #expect(steps.values.count { $0 == "quantize" } == count, "\(pattern)")
        }
        #expect(throws: (any Error).self) { try NamePattern("(") }
    }

    @Test func embeddingsAndHeadsAreKeptUnlessAskedFor() throws {
        let source = Fixture.checkpoint("llama/dense-bf16")
        let names = ["model.embed_tokens.weight", "lm_head.weight"]
        let plain = try Self.steps(source)
        #expect(names.map { plain[$0] } == ["copy", "copy"])
        let embeddings = try Self.steps(source, Self.rules([], embeddings: true))
        #expect(names.map { embeddings[$0] } == ["quantize", "copy"])
        let both = try Self.steps(source, Self.rules([(.quantize, "lm_head|embed")]))
        #expect(names.map { both[$0] } == ["quantize", "quantize"])
        let neither = try Self.steps(source, Self.rules([(.keep, "embed")], embeddings: true))
        #expect(names.map { neither[$0] } == ["copy", "copy"])
    }

    /// A model that is 4-bit already is repacked; what it keeps dense is quantized only by a rule.
    @Test func denseWeightsOf4BitModelsNeedARule() throws {
        let source = Fixture.checkpoint("variants/skipped")
        let name = "model.layers.0.mlp.down_proj.weight"
        let plain = try Self.steps(source)
        #expect(plain[name] == "copy")
        #expect(plain.values.count { $0 == "copyQuantized" } == 6)
        #expect(try Self.steps(source, Self.rules([(.quantize, "down_proj")]))[name] == "quantize")
        #expect(try Self.steps(source, Self.rules([(.keep, "")])) == plain)
        let folder = try TemporaryFolder()
        try convert(source, to: folder.path("m.qnf"), rules: Self.rules([(.quantize, "down_proj")]))
        var all = try storedTensors(at: Fixture.checkpoint("variants/storage-bf16/model.safetensors"))
        for (key, tensor) in all where all[key + ".absmax"] != nil {
            all[key] = StoredTensor(key, .u8, [tensor.bytes.count, 1], tensor.bytes)
        }
        #expect(try weights(at: folder.path("m.qnf")) == all)
    }

    /// Not a matrix, not of floats, or empty: kept whatever the rules say.
    @Test func whatCannotBeQuantizedIsKept() throws {
        let folder = try TemporaryFolder()
        let tensors = [
            StoredTensor("scalar.weight", [], [1]), StoredTensor("vector.weight", [3], [1, 2, 3]),
            StoredTensor("cube.weight", [1, 1, 2], [1, 2]),
            StoredTensor("empty.weight", [0, 4], []), StoredTensor("integers", .i32, [1, 1], [1, 2, 3, 4]),
            StoredTensor("bytes", .u8, [1, 2], [1, 2]), StoredTensor("flags.weight", .bool, [1, 1], [1]),
            StoredTensor("scales", .f8e8m0, [1, 1], [1]), StoredTensor("packed", .f4, [1, 2], [1]),
            StoredTensor("matrix.weight", [1, 1], [2]),
        ]
        try folder.write(tensors.safetensors(), to: "m.safetensors")
        let rules = try Self.rules([(.quantize, "")])
        let steps = try Self.steps(folder.path("m.safetensors"), rules)
        #expect(steps.filter { $0.value != "copy" } == ["matrix.weight": "quantize"])
        try convert(folder.path("m.safetensors"), to: folder.path("m.qnf"), rules: rules)
        let stored = try weights(at: folder.path("m.qnf"))
        for tensor in tensors.dropLast() { #expect(stored[tensor.name] == tensor) }
        #expect(stored.count == tensors.count + 5)
        #expect(try RoundtripTests.compare(folder.path("m.safetensors"), folder.path("m.qnf")).isBitExact)
    }
}
