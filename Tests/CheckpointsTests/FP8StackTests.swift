import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// Experts of a layer in one tensor of 8-bit floats.
@Suite struct FP8StackTests {
    private static func stated(_ rows: Int, _ columns: Int) -> String {
        #""quantization_config": {"quant_method": "fp8", "weight_block_size": [\#(rows), \#(columns)]}"#
    }

    private static let experts = "model.layers.0.mlp.experts.down_proj"

    private static func stack(_ dimensions: [Int], _ grid: [Int], _ scales: [Float]) -> [StoredTensor] {
        let count = dimensions.reduce(1, *)
        return [
            StoredTensor(experts, .f8e4m3, dimensions, (0..<count).map { UInt8(0x30 + $0 % 16) }),
            StoredTensor(experts + "_scale_inv", grid, scales), StoredTensor(experts + "_activation_scale", [grid[0]], [1, 1]),
        ]
    }

    /// As transformers dequantizes them: the scale of a block of the expert's matrix.
    @Test(arguments: [nil, stated(2, 4)]) func expertsMayBeOneTensor(_ config: String?) throws {
        let scales = (0..<8).map { Float($0 + 1) / 4 }
        let model = try PackedCheckpoint(Self.stack([2, 4, 8], [2, 2, 2], scales), config: config)
        let tensor = model.checkpoint.tensors[0]
        #expect(tensor.typeName == "FP8/2x4" && tensor.isStack && tensor.shape.dimensions == [2, 4, 8])
        #expect(model.checkpoint.leftovers.map(\.name) == [Self.experts + "_activation_scale"])
        var codes = (0..<64).map { UInt8(0x30 + $0 % 16) }, numbers = [Float](repeating: 0, count: 64)
        var span = numbers.mutableSpan
        codes.withUnsafeMutableBytes { FloatConversion.widen(RawSpan(_unsafeBytes: UnsafeRawBufferPointer($0)), of: .f8e4m3, into: &span) }
        let expected = numbers.indices.map { numbers[$0] * scales[$0 / 32 * 4 + $0 % 32 / 16 * 2 + $0 % 8 / 4] }
        #expect(try model.values(Self.experts) == expected)
    }

    @Test func scalesOfExpertsThatFitNoBlocksAreRefused() {
        for (tensors, config, message) in [
            (Self.stack([2, 5, 8], [2, 2, 2], [1, 1, 1, 1, 1, 1, 1, 1]), nil, "but [5, 8] are no 2 x 2 blocks of one size"),
            (
                Self.stack([2, 4, 8], [2, 2, 2], [1, 1, 1, 1, 1, 1, 1, 1]), Self.stated(128, 128),
                "which makes blocks of 2 x 4, but config.json states 128 x 128"
            ),
            (Self.stack([2, 4, 8], [2, 2], [1, 1, 1, 1]), nil, "has [2, rows, columns] scales"),
        ] {
            let error = #expect(throws: FileError.self) { try PackedCheckpoint(tensors, config: config) }
            #expect(error?.message.contains(message) == true, "\(String(describing: error))")
        }
    }
}
