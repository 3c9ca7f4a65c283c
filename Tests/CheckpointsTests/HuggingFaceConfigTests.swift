import CheckpointTestSupport
import JSONText
import Quantization
import TensorCore
import Testing

@testable import Checkpoints

/// config.json says of an export what its weights are.
@Suite struct HuggingFaceConfigTests {
    /// Dense weights, and 4-bit ones where the name begins with `*`.
    static func tensors(_ names: [String]) throws -> [LogicalTensor] {
        let shape = try #require(Shape([2, 2]))
        let state = try QuantState(quantType: .nf4, blockSize: 64, scalarType: .f32, shape: [2, 2], nested: nil)
        let quantized = QuantizedTensor(state: state, codes: 0, absmax: 1, quantMap: 2, stateBlob: 3, nested: nil)
        return names.map { name in
            LogicalTensor(
                name: name.hasPrefix("*") ? String(name.dropFirst()) : name,
                storage: name.hasPrefix("*") ? .quantized(quantized) : .plain(0),
                scalarType: .f32, shape: shape, isConv1D: false)
        }
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
        Skip(names: ["*a.weight", "embed_out.weight", "b.weight"], expected: ["b", "embed_out"]),
        // transformers skips heads by itself only where they give logits over the vocabulary.
        Skip(names: ["*a.weight", "classifier.weight"], expected: ["classifier", "lm_head"]),
        // A list that says the same is kept: by ends, by beginnings.
        Skip(names: ["*h.0.a.weight", "h.0.b.weight", "lm_head.weight"], stated: ["lm_head", "b"], expected: ["lm_head", "b"]),
        Skip(
            names: ["*g.0.a.weight", "h.0.b.weight", "h.1.c.weight", "lm_head.weight"], stated: ["lm_head", "h"],
            expected: ["lm_head", "h"]),
        // One that does not is not: it leaves out a dense layer, takes in a 4-bit one, or leaves out the head.
        Skip(names: ["*h.0.a.weight", "h.0.b.weight", "lm_head.weight"], stated: ["lm_head", "c"], expected: ["h.0.b", "lm_head"]),
        Skip(names: ["*h.0.a.weight", "h.0.b.weight", "lm_head.weight"], stated: ["lm_head", "h.0"], expected: ["h.0.b", "lm_head"]),
        Skip(names: ["*h.0.a.weight", "h.0.b.weight"], stated: ["b"], expected: ["h.0.b", "lm_head"]),
        Skip(names: ["*h.0.a.weight", "lm_head.weight"], stated: ["lm_head"], expected: nil),
    ]

    @Test(arguments: skips) func skippedModules(_ skip: Skip) throws {
        #expect(HuggingFaceConfig.skippedModules(in: try Self.tensors(skip.names), stated: skip.stated) == skip.expected)
    }

    @Test func quantizationConfigIsThatOfTransformers() throws {
        let config = try #require(try Checkpoint.open(Fixture.checkpoint("llama/nf4-bf16")).config?.object)
        var plain = config
        plain["quantization_config"] = nil
        let state = try QuantState(quantType: .nf4, blockSize: 64, scalarType: .bf16, shape: [2, 2], nested: .init(offset: 0))
        let result = HuggingFaceConfig.quantized(plain, state: state, tensors: [])
        #expect(result["quantization_config"]?.text(.indented) == config["quantization_config"]?.text(.indented))
    }

    static let types: [(config: String, type: ScalarType?, expected: String)] = [
        (#"{"a":1,"dtype":"float32","b":2}"#, .f16, #"{"a":1,"dtype":"float16","b":2}"#),
        (#"{"torch_dtype":"float32","a":1}"#, .bf16, #"{"torch_dtype":"bfloat16","a":1}"#),
        (#"{"torch_dtype":"x","dtype":"x"}"#, .f32, #"{"torch_dtype":"float32","dtype":"float32"}"#),
        (#"{"a":1}"#, .f32, #"{"a":1,"dtype":"float32"}"#), (#"{"dtype":"float32"}"#, nil, #"{"dtype":"float32"}"#),
        (#"{"a":1,"quantization_config":{"quant_method":"bitsandbytes","load_in_4bit":true},"b":2}"#, nil, #"{"a":1,"b":2}"#),
        (
            #"{"quantization_config":{"quant_method":"bitsandbytes","load_in_8bit":true}}"#, nil,
            #"{"quantization_config":{"quant_method":"bitsandbytes","load_in_8bit":true}}"#
        ),
        (#"{"quantization_config":{"quant_method":"awq"}}"#, nil, #"{"quantization_config":{"quant_method":"awq"}}"#),
    ]

    @Test(arguments: types) func denseConfigNamesItsType(_ change: (config: String, type: ScalarType?, expected: String)) throws {
        let config = try #require(try JSONValue(parsing: Array(change.config.utf8)).object)
        #expect(HuggingFaceConfig.dense(config, scalarType: change.type).text(.compact) == change.expected)
    }
}
