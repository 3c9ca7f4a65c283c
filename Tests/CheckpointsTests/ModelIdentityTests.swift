import JSONText
import TensorCore
import Testing

@testable import Checkpoints

/// Which weights lie as [in, out].
@Suite struct ModelIdentityTests {
    @Test(arguments: [
        ("h.0.attn.c_attn.weight", true), ("transformer.h.11.mlp.c_proj.weight", true), ("h.0.crossattention.q_attn.weight", true),
        ("h.0.mlp.c_fc.bias", false), ("wte.weight", false), ("lm_head.weight", false), ("score.weight", false), ("c_fc", false),
        ("weight", false),
    ]) func conv1DLayersOfGPT2(_ name: String, _ isConv1D: Bool) {
        #expect(ModelIdentity(modelType: "gpt2").orientation(of: name) == (isConv1D ? .inputsByOutputs : .outputsByInputs))
        #expect(ModelIdentity(modelType: "gpt_bigcode").orientation(of: name) == .outputsByInputs)
        #expect(ModelIdentity(modelType: nil).orientation(of: name) == .outputsByInputs)
    }

    /// Without a config GPT-2 is known by its fused attention weight, which is wider than tall only there.
    @Test(arguments: [([8, 24], "gpt2"), ([24, 8], nil), ([24, 24], nil), ([24], nil), ([2, 8, 24], nil)]) func gpt2IsKnownByItsShape(
        _ dimensions: [Int], _ modelType: String?
    ) throws {
        let shape = try #require(Shape(dimensions))
        let info = try #require(TensorInfo(name: "transformer.h.0.attn.c_attn.weight", scalarType: .f32, shape: shape))
        #expect(ModelIdentity(config: nil, tensors: [info]).modelType == modelType)
        #expect(ModelIdentity(config: .object(["model_type": .string("qwen")]), tensors: [info]).modelType == "qwen")
    }

    /// By the fused weight of queries, keys and values. Found by fuzzing: three times the width overflowed.
    @Test(arguments: [([2, 6], true), ([0, 0], true), ([6, 2], false), ([2, 7], false), ([6], false), ([Int.max - 1, 0], false)])
    func knowsGPT2ByItsShapes(shape: [Int], isGPT2: Bool) throws {
        let shape = try #require(Shape(shape))
        let info = try #require(TensorInfo(name: "h.0.attn.c_attn.weight", scalarType: .u8, shape: shape))
        #expect(ModelIdentity(config: nil, tensors: [info]).modelType == (isGPT2 ? "gpt2" : nil))
    }
}
