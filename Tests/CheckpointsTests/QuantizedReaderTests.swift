import Quantization
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct QuantizedReaderTests {
    /// All constants of any weight are in one block then. Found by fuzzing: rounding up to such a block overflowed.
    @Test(arguments: [5, 1 << 62, Int.max])
    func readsNestedBlocksLargerThanTheWeight(blockSize: Int) throws {
        let state = BitsandbytesLayoutTests.nestedState.replacing(#""nested_blocksize": 256"#, with: #""nested_blocksize": \#(blockSize)"#)
        let folder = try TemporaryFolder()
        try folder.write(BitsandbytesLayoutTests.nested(state: state).safetensors(), to: "m.safetensors")
        let checkpoint = try Checkpoint.open(folder.path("m.safetensors"))
        let reader = try QuantizedReader(source: checkpoint.source, tensor: try #require(checkpoint.tensors.first?.quantized))
        #expect(try reader.absmax(ofBlocks: 0..<4) == [0.25, 1 / Float(255) * 2 + 0.25, 2 / Float(255) * 2 + 0.25, 2.25])
        #expect(try reader.absmax(ofBlocks: 3..<4) == [2.25])
        #expect(try reader.absmax(ofBlocks: 2..<2) == [])
    }
}
