import ByteIO
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// Scales of every kind and name, blocks that are cut off, and what is refused.
@Suite struct FP8LayoutTests {
    /// Codes of numbers, of E4M3.
    private static func code(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: index &* 37) & 0x7e | UInt8(index & 1) << 7 }

    /// By the definition of E4M3: no NaN is among the codes.
    private static func number(_ code: UInt8) -> Float {
        let exponent = Int(code >> 3 & 15), mantissa = Float(code & 7)
        let magnitude = exponent == 0 ? mantissa * 0x1p-9 : (8 + mantissa) * Float(sign: .plus, exponent: exponent - 10, significand: 1)
        return code & 0x80 == 0 ? magnitude : -magnitude
    }

    private static func weight(_ rows: Int, _ columns: Int) -> StoredTensor {
        StoredTensor(".weight", .f8e4m3, [rows, columns], (0..<rows * columns).map(code))
    }

    private static func values(_ rows: Int, _ columns: Int, _ scale: (Int, Int) -> Float) -> [Float] {
        (0..<rows * columns).map { number(code($0)) * scale($0 / columns, $0 % columns) }
    }

    private static func stated(_ rows: Int, _ columns: Int) -> String {
        #""quantization_config": {"quant_method": "fp8", "weight_block_size": [\#(rows), \#(columns)]}"#
    }

    /// As transformers reads 192 rows with 2 scales, in blocks of 96, half of the second block would be wrong.
    @Test(arguments: [(320, 200), (192, 128), (576, 130), (1, 1)]) func theLastBlocksMayBePartial(_ rows: Int, _ columns: Int) throws {
        let grid = [(rows + 127) / 128, (columns + 127) / 128]
        let scales = (0..<grid[0] * grid[1]).map { 0.01 * Float($0 + 1) }
        let tensors = [Self.weight(rows, columns), StoredTensor(".weight_scale_inv", grid, scales)]
        // Of 128 whether it is stated or not.
        for config in [Self.stated(128, 128), nil] {
            let model = try PackedCheckpoint(tensors, config: config)
            #expect(model.checkpoint.foreignWeights == nil && model.checkpoint.tensors.count == 1)
            #expect(model.checkpoint.tensors[0].scalarType == .bf16)
            #expect(try model.values() == Self.values(rows, columns) { scales[$0 / 128 * grid[1] + $1 / 128] })
            let reader = try model.checkpoint.reader(of: model.checkpoint.tensors[0], rounding: .none)
            let range = rows * columns / 3..<rows * columns * 2 / 3 + 1
            #expect(try reader.elements(range) == Array(Self.values(rows, columns) { scales[$0 / 128 * grid[1] + $1 / 128] }[range]))
        }
    }

    @Test func theSizeThatIsStatedDecides() throws {
        let tensors = [Self.weight(96, 64), StoredTensor(".weight_scale_inv", [3, 2], [1, 2, 3, 4, 5, 6])]
        let model = try PackedCheckpoint(tensors, config: Self.stated(40, 32))
        #expect(try model.values() == Self.values(96, 64) { Float($0 / 40 * 2 + $1 / 32 + 1) })
        #expect(model.checkpoint.tensors[0].typeName == "FP8/40x32")
        // Of none that fits, the shapes themselves.
        #expect(try PackedCheckpoint(tensors).values() == Self.values(96, 64) { Float($0 / 32 * 2 + $1 / 32 + 1) })
    }

    @Test(
        arguments: [".weight_scale_inv", ".weight_scale", ".scale", ".qscale_weight", ".scale_weight"], [[], [1], [1, 1], [4], [4, 1]])
    func oneScaleForAllOrForEachRow(_ name: String, _ shape: [Int]) throws {
        let isRow = shape.first == 4
        let scales: [Float] = isRow ? [1, 2, 3, 4] : [0.5]
        let model = try PackedCheckpoint([Self.weight(4, 8), StoredTensor(name, shape, scales)])
        #expect(try model.values() == Self.values(4, 8) { row, _ in scales[isRow ? row : 0] })
        #expect(isRow ? model.checkpoint.tensors[0].typeName == "FP8/row" : model.checkpoint.tensors[0].typeName.hasPrefix("FP8"))
    }

    @Test(arguments: [ScalarType.bf16, .f16]) func scalesMayHaveSixteenBits(_ type: ScalarType) throws {
        let bits: [UInt16] = type == .bf16 ? [0x3f80, 0x4000] : [0x3c00, 0x4000]
        let tensors = [Self.weight(2, 8), StoredTensor(".weight_scale", type, [2, 1], bitPatterns: bits)]
        let model = try PackedCheckpoint(
            tensors, config: #""quantization_config": {"quant_method": "compressed-tensors"}, "dtype": "float32""#)
        #expect(try model.values() == Self.values(2, 8) { row, _ in Float(row + 1) })
        // The product has the type of the scale there, else that of the model.
        #expect(model.checkpoint.tensors[0].scalarType == type)
        #expect(try PackedCheckpoint(tensors, config: #""dtype": "float16""#).checkpoint.tensors[0].scalarType == .f16)
        #expect(try PackedCheckpoint(tensors).checkpoint.tensors[0].scalarType == .bf16)
    }

    @Test(arguments: [ScalarType.u8, .f8e8m0]) func scalesMayBePowersOfTwo(_ type: ScalarType) throws {
        let exponents: [UInt8] = [127, 128, 0, 120, 126, 254]
        let tensors = [Self.weight(2, 96), StoredTensor(".weight_scale_inv", type, [2, 3], exponents)]
        for config in [nil, Self.stated(128, 128), Self.stated(1, 32)] {
            let model = try PackedCheckpoint(tensors, config: config)
            #expect(try model.values() == Self.values(2, 96) { MXFP4.scale(exponents[$0 * 3 + $1 / 32]) })
        }
        let damaged = try PackedCheckpoint([Self.weight(1, 32), StoredTensor(".weight_scale", type, [1, 1], [255])])
        #expect(try damaged.values().allSatisfy(\.isNaN))
    }

    /// Two 4-bit floats in a byte, as experts of DeepSeek are stored beside weights of FP8 blocks.
    @Test func bytesMayHoldTwoNumbers() throws {
        let bytes = (0..<64).map { UInt8(truncatingIfNeeded: $0 &* 29 &+ 5) }
        let exponents: [UInt8] = [127, 130, 124, 127]
        let tensors = [
            StoredTensor(".weight", .i8, [2, 32], bytes), StoredTensor(".weight_scale_inv", .u8, [2, 2], exponents),
        ]
        let model = try PackedCheckpoint(tensors, config: Self.stated(128, 128))
        #expect(model.checkpoint.tensors[0].typeName == "FP4/1x32" && model.checkpoint.tensors[0].shape.dimensions == [2, 64])
        let values = bytes.flatMap { [MXFP4.values[Int($0 & 15)], MXFP4.values[Int($0 >> 4)]] }
        #expect(try model.values().map(\.bitPattern) == values.enumerated().map { ($1 * MXFP4.scale(exponents[$0 / 32])).bitPattern })
    }

    /// What a dense module has beside it, and what computing needs no more.
    @Test func leftoversStayBehind() throws {
        let other = "model.layers.1.mlp.up_proj"
        let tensors = [
            Self.weight(2, 8), StoredTensor(".weight_scale", [], [1]), StoredTensor(".input_scale", [], [1]),
            StoredTensor("model.layers.0.self_attn.k_scale", [], [1]),
            StoredTensor("model.layers.0.self_attn.rotary_emb.inv_freq", [2], [1, 2]),
            PackedCheckpoint.zeros(other + ".weight", .bf16, [4, 4]), StoredTensor(other + ".weight_scale", [], [1]),
            PackedCheckpoint.zeros("model.norm.weight", .bf16, [4]),
        ]
        let model = try PackedCheckpoint(tensors, config: Self.stated(128, 128))
        #expect(model.checkpoint.tensors.map(\.name) == [PackedCheckpoint.module + ".weight", other + ".weight", "model.norm.weight"])
        #expect(model.checkpoint.leftovers.count == 4 && model.checkpoint.attachments == [2, 3, 4, 6])
        // Beside weights that are all dense nothing is taken away.
        let dense = try PackedCheckpoint(Array(tensors[3...]))
        #expect(dense.checkpoint.tensors.count == 5 && dense.checkpoint.leftovers.isEmpty)
    }

    static let hostile: [(tensors: [StoredTensor], config: String?, message: String)] = [
        (
            [weight(320, 8), StoredTensor(".weight_scale_inv", [2, 1], [1, 1])], stated(128, 128),
            "has shape [2, 1], but '\(PackedCheckpoint.module).weight' of [320, 8] in blocks of 128 x 128 has [3, 1] scales"
        ),
        (
            [weight(320, 8), StoredTensor(".weight_scale_inv", [3, 3], [Float](repeating: 1, count: 9))], nil,
            "has shape [3, 3], but '\(PackedCheckpoint.module).weight' of [320, 8] in blocks of 128 x 128 has [3, 1] scales"
        ),
        (
            [weight(4, 8), StoredTensor(".weight_scale", [2, 2, 1], [1, 1, 1, 1])], nil,
            "has shape [2, 2, 1], but '\(PackedCheckpoint.module).weight' of [4, 8] in blocks of 128 x 128 has [1, 1] scales"
        ),
        (
            [weight(4, 8), StoredTensor(".weight_scale", [0], [])], nil,
            "has shape [0], but '\(PackedCheckpoint.module).weight' of [4, 8] in blocks of 128 x 128 has [1, 1] scales"
        ),
        (
            [weight(4, 8), PackedCheckpoint.zeros(".weight_scale", .i32, [1])], nil,
            "is I32, but scales of '\(PackedCheckpoint.module).weight' are F32, F16, BF16, or U8 of powers of two"
        ),
        (
            [weight(4, 8), StoredTensor(".weight_scale", [], [1]), StoredTensor(".weight_scale_inv", [], [1])], nil,
            "has two scales, '\(PackedCheckpoint.module).weight_scale_inv' and '\(PackedCheckpoint.module).weight_scale'"
        ),
        ([weight(0, 8), StoredTensor(".weight_scale", [], [1])], nil, "shape [0, 8] is empty or too large"),
    ]

    @Test(arguments: hostile.indices) func refusesScalesThatDoNotFit(_ index: Int) throws {
        let row = Self.hostile[index]
        let error = try #require(throws: FileError.self) { try PackedCheckpoint(row.tensors, config: row.config) }
        #expect(error.description.hasSuffix(row.message), "\(error.description)")
    }
}

/// bitsandbytes' 8-bit weights.
@Suite struct EightBitLayoutTests {
    private static let bytes = (0..<32).map { UInt8(truncatingIfNeeded: $0 &* 41 &- 127) }

    private static func tensors(format: UInt8? = 0, scales: [Int] = [4]) -> [StoredTensor] {
        [
            StoredTensor(".weight", .i8, [4, 8], bytes), StoredTensor(".SCB", scales, (0..<scales.reduce(1, *)).map { Float($0) + 0.3 }),
        ] + (format.map { [StoredTensor(".weight_format", .u8, [], [$0])] } ?? [])
    }

    /// Two roundings: not the quotient by 127.
    @Test(arguments: [0, nil] as [UInt8?]) func isTwoProducts(_ format: UInt8?) throws {
        let model = try PackedCheckpoint(Self.tensors(format: format))
        #expect(model.checkpoint.tensors.map(\.typeName) == ["INT8/row"] && model.checkpoint.tensors[0].scalarType == .f32)
        let factor = Float(bitPattern: 0x3c01_0204)
        #expect(
            try model.values()
                == Self.bytes.enumerated().map { index, byte in
                    let product = Float(Int8(bitPattern: byte)) * (Float(index / 8) + 0.3)
                    return product * factor
                })
        #expect(model.checkpoint.leftovers.count == (format == nil ? 0 : 1))
    }

    @Test func theOrderOfAGPUIsRefusedByName() throws {
        let model = try PackedCheckpoint(Self.tensors(format: 2))
        #expect(model.checkpoint.foreignWeights?.name == "bitsandbytes 8-bit in the order of a GPU")
        let error = try #require(throws: FileError.self) { try model.checkpoint.requireReadableWeights() }
        #expect(error.description.hasSuffix("weight_format': is 2: the weights lie in the order of a GPU, but only 0 (row by row) is read"))
    }

    @Test func partsBelongTogether() throws {
        let alone = try #require(throws: FileError.self) {
            try PackedCheckpoint([Self.tensors()[0], Self.tensors()[2]])
        }
        #expect(alone.description.hasSuffix("is I8 [4, 8], but '\(PackedCheckpoint.module).SCB', which explains it, is missing"))
        let short = try #require(throws: FileError.self) { try PackedCheckpoint(Self.tensors(scales: [3])) }
        #expect(
            short.description.hasSuffix(
                "SCB': is F32 [3], but F32 [4] belongs to '\(PackedCheckpoint.module).weight' of I8 [4, 8]"))
    }
}
