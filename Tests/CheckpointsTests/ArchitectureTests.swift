import JSONText
import TensorCore
import Testing

@testable import Checkpoints

/// Which weights lie as [in, out].
@Suite struct ArchitectureTests {
    @Test(arguments: [
        ("h.0.attn.c_attn.weight", true), ("transformer.h.11.mlp.c_proj.weight", true), ("h.0.crossattention.q_attn.weight", true),
        ("h.0.mlp.c_fc.bias", false), ("wte.weight", false), ("lm_head.weight", false), ("score.weight", false), ("c_fc", false),
        ("weight", false),
    ]) func conv1DLayersOfGPT2(_ name: String, _ isConv1D: Bool) {
        #expect(Architecture(modelType: "gpt2").isConv1D(name) == isConv1D)
        #expect(!Architecture(modelType: "gpt_bigcode").isConv1D(name))
        #expect(!Architecture(modelType: nil).isConv1D(name))
    }

    /// Without a config GPT-2 is known by its fused attention weight, which is wider than tall only there.
    @Test(arguments: [([8, 24], "gpt2"), ([24, 8], nil), ([24, 24], nil), ([24], nil), ([2, 8, 24], nil)]) func gpt2IsKnownByItsShape(
        _ dimensions: [Int], _ modelType: String?
    ) throws {
        let shape = try #require(Shape(dimensions))
        let info = try #require(TensorInfo(name: "transformer.h.0.attn.c_attn.weight", scalarType: .f32, shape: shape))
        #expect(Architecture(config: nil, tensors: [info]).modelType == modelType)
        #expect(Architecture(config: .object(["model_type": .string("qwen")]), tensors: [info]).modelType == "qwen")
    }
}
