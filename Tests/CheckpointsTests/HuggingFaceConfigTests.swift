import JSONText
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// config.json says of an export what its weights are.
@Suite struct HuggingFaceConfigTests {
    @Test func quantizationConfigIsThatOfTransformers() throws {
        let config = try #require(try Checkpoint.open(Fixture.checkpoint("llama/nf4-bf16")).config?.object)
        var plain = config
        plain["quantization_config"] = nil
        let state = try QuantState(quantType: .nf4, blockSize: 64, scalarType: .bf16, shape: [2, 2], nested: .init(offset: 0))
        let result = HuggingFaceConfig.quantized(
            plain, state: state, tensors: [], layers: FourBitLayers(ModelIdentity(modelType: "llama"), names: []))
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

    static let tuned: [(config: String, isUntied: Bool, expected: String)] = [
        (#"{"torch_dtype":"bfloat16","a":1}"#, false, #"{"a":1,"dtype":"float32"}"#),
        (#"{"dtype":"float16","a":1,"torch_dtype":"x"}"#, false, #"{"dtype":"float32","a":1}"#),
        (
            #"{"tie_word_embeddings":true,"quantization_config":{"quant_method":"bitsandbytes","load_in_4bit":true}}"#, true,
            #"{"tie_word_embeddings":false,"dtype":"float32"}"#
        ),
        (#"{"tie_word_embeddings":true}"#, false, #"{"tie_word_embeddings":true,"dtype":"float32"}"#),
    ]

    @Test(arguments: tuned) func tunedConfigIsOfFloats(_ change: (config: String, isUntied: Bool, expected: String)) throws {
        let config = try #require(try JSONValue(parsing: Array(change.config.utf8)).object)
        #expect(HuggingFaceConfig.tuned(config, isUntied: change.isUntied).text(.compact) == change.expected)
    }
}
