import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// The list of modules that transformers must not make 4-bit hits what is dense, and nothing else.
@Suite struct SkippedModulesTests {
    /// Dense weights, and 4-bit ones where the name begins with `*`.
    static func tensors(_ names: [String]) throws -> [LogicalTensor] {
        let shape = try #require(Shape([2, 2]))
        let state = try QuantState(quantType: .nf4, blockSize: 64, scalarType: .f32, shape: [2, 2], nested: nil)
        let quantized = QuantizedTensor(state: state, codes: 0, absmax: 1, quantMap: 2, stateBlob: 3, nested: nil)
        return names.map { name in
            LogicalTensor(
                name: name.hasPrefix("*") ? String(name.dropFirst()) : name,
                storage: name.hasPrefix("*") ? .quantized(quantized) : .plain(0),
                scalarType: .f32, shape: shape, orientation: .outputsByInputs)
        }
    }

    static func list(_ names: [String], stated: [String]? = nil, modelType: String? = nil) throws -> [String]? {
        let tensors = try tensors(names)
        let layers = FourBitLayers(ModelIdentity(modelType: modelType), names: tensors.map(\.name))
        return SkippedModules.list(for: tensors, layers, stated: stated)
    }

    struct Skip: Sendable, CustomTestStringConvertible {
        let names: [String]
        var stated: [String]?
        let expected: [String]?
        var testDescription: String { "\(names)" }
    }

    static let skips = [
        Skip(names: [], expected: nil), Skip(names: ["*h.0.a.weight", "lm_head.weight", "wte.weight"], expected: nil),
        Skip(names: ["*h.0.a.weight"], expected: nil), Skip(names: ["*h.0.a.weight", "*lm_head.weight"], expected: []),
        Skip(names: ["*h.0.a.weight", "h.10.a.weight", "h.9.a.weight"], expected: ["h.9.a", "h.10.a", "lm_head"]),
        Skip(names: ["*h.0.a.weight", "h.1.a.weight", "*lm_head.weight"], expected: ["h.1.a"]),
        // In memory the head of GPT-NeoX has the name of the others.
        Skip(names: ["*a.weight", "embed_out.weight", "b.weight"], expected: ["b", "embed_out", "lm_head"]),
        // A head without a bias is left out by itself; one with a bias is not.
        Skip(names: ["*a.weight", "score.weight"], expected: nil),
        Skip(names: ["*a.weight", "classifier.weight", "classifier.bias"], expected: ["classifier", "lm_head"]),
        // An entry hits every path that ends like it.
        Skip(
            names: ["*pre_classifier.weight", "classifier.weight", "classifier.bias"], expected: ["^classifier$", "lm_head"]),
        Skip(names: ["*model.layers.0.fc.weight", "layers.0.fc.weight"], expected: ["^layers\\.0\\.fc$", "lm_head"]),
        Skip(names: ["*h.1.fc.c.weight", "h.1.weight"], expected: ["^h\\.1$", "lm_head"]),
        Skip(names: ["*my_lm_head.weight", "*a.weight", "b.weight"], expected: ["b", "^lm_head$"]),
        // Held elsewhere than it is stored.
        Skip(
            names: ["*language_model.model.layers.0.fc.weight", "language_model.model.layers.1.fc.weight"],
            expected: ["language_model.model.layers.1.fc", "model.language_model.layers.1.fc", "lm_head"]),
        // What is dense whatever the list says need not be in it.
        Skip(names: ["*a.weight", "mlp.gate.weight", "norm.weight", "wte.weight"], expected: nil),
        Skip(names: ["*a.weight", "mlp.experts.0.w1.weight"], expected: nil),
        // A list that says the same is kept: by ends, by beginnings, as an expression.
        Skip(names: ["*h.0.a.weight", "h.0.b.weight", "lm_head.weight"], stated: ["lm_head", "b"], expected: ["lm_head", "b"]),
        Skip(
            names: ["*g.0.a.weight", "h.0.b.weight", "h.1.c.weight", "lm_head.weight"], stated: ["lm_head", "h"],
            expected: ["lm_head", "h"]),
        Skip(names: ["*h.0.a.weight", "h.10.b.weight"], stated: ["lm_head", "h.1.*"], expected: ["lm_head", "h.1.*"]),
        Skip(names: ["*h.0.a.weight", "h.0.b.weight"], stated: ["lm_head", ".*\\.(b|c)"], expected: ["lm_head", ".*\\.(b|c)"]),
        // One that does not is not: it leaves out a dense layer, takes in a 4-bit one, leaves out the head, or is no expression.
        Skip(names: ["*h.0.a.weight", "h.0.b.weight", "lm_head.weight"], stated: ["lm_head", "c"], expected: ["h.0.b", "lm_head"]),
        Skip(names: ["*h.0.a.weight", "h.0.b.weight", "lm_head.weight"], stated: ["lm_head", "h.0"], expected: ["h.0.b", "lm_head"]),
        Skip(names: ["*h.0.ab.weight", "h.0.b.weight"], stated: ["lm_head", "b"], expected: ["h.0.b", "lm_head"]),
        Skip(names: ["*h.0.a.weight", "h.0.b.weight"], stated: ["b"], expected: ["h.0.b", "lm_head"]),
        Skip(names: ["*h.0.a.weight", "h.0.b.weight"], stated: ["lm_head", "(b"], expected: ["h.0.b", "lm_head"]),
        Skip(names: ["*h.0.a.weight", "lm_head.weight"], stated: ["lm_head"], expected: nil),
    ]

    @Test(arguments: skips) func listNamesWhatIsDense(_ skip: Skip) throws {
        let list = try Self.list(skip.names, stated: skip.stated)
        #expect(list == skip.expected)
        guard let list else { return }
        for name in skip.names where name.hasPrefix("*") {
            #expect(!SkippedModules.matches(String(name.dropFirst().dropLast(".weight".count)), list), "\(name)")
        }
    }

    /// Computed by transformers' `should_convert_module`.
    @Test(arguments: [
        ("layer.1.attn", "layer.1", true), ("layer.11.attn", "layer.1", false), ("layer.11.attn", "layer.*", true),
        ("a.mlp.gate", "mlp.gate", true),
        ("mlp.gate_proj", "mlp.gate", false), ("pre_classifier", "classifier", true), ("classifier.out", "classifier", true),
        ("pre_classifier.out", "classifier", false), ("layerx1.attn", "layer.1", true), ("h.0", "h.", true), ("h0.a", "h.", true),
        ("h0a", "h.", false), ("pre_classifier", "^classifier$", false), ("classifier", "^classifier$", true),
        ("classifier.out", "^classifier$", false), ("a.b", "a|c", true), ("c.b", "a|c", true), ("ab", "a|c", false), ("a", "", true),
    ]) func ruleIsThatOfTransformers(_ module: String, _ entry: String, _ isHit: Bool) {
        #expect(SkippedModules.matches(module, entry) == isHit)
    }
}
