import Checkpoints
import ModelLoading
import TestSupport
import Testing

/// Models as MLX, compressed-tensors and modelopt quantized them run as they are, embeddings and heads in codes included.
@Suite struct GroupedModelTests {
    @Test(arguments: ["mlx-mixed-3-6-8", "ct-w4a16-asym", "modelopt-nvfp4"])
    func logitsAreThoseOfTheDenseModel(_ name: String) throws {
        let path = Fixture.path("grouped/models/\(name)"), reference = try Reference(file: path + "/reference.safetensors")
        let model = try LoadedModel.open(path)
        #expect(model.warnings.isEmpty)
        #expect(relativeDifference(try model.exactSession().allLogits(reference.ids), reference.logits) < 2e-5)
    }
}
