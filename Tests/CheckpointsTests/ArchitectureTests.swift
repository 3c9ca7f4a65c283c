import TensorCore
import Testing

@testable import Checkpoints

@Suite struct ArchitectureTests {
    /// Without a config, by the fused weight of queries, keys and values. Found by fuzzing: three times the width overflowed.
    @Test(arguments: [([2, 6], true), ([0, 0], true), ([6, 2], false), ([2, 7], false), ([6], false), ([Int.max - 1, 0], false)])
    func knowsGPT2ByItsShapes(shape: [Int], isGPT2: Bool) throws {
        let shape = try #require(Shape(shape))
        let info = try #require(TensorInfo(name: "h.0.attn.c_attn.weight", scalarType: .u8, shape: shape))
        #expect(Architecture(config: nil, tensors: [info]).modelType == (isGPT2 ? "gpt2" : nil))
    }
}
