import ByteIO
import Checkpoints
import Quantization
import TensorCore
import TestSupport
import Testing

/// Weights of compressed-tensors and modelopt, made by hand.
@Suite struct CompressedTensorsLayoutTests {
    private static func config(_ weights: String, format: String = "pack-quantized", more: String = "") -> String {
        #"{"quantization_config": {"quant_method": "compressed-tensors", "format": "\#(format)", "config_groups": {"group_0": {"weights": "#
            + "{\(weights)}}}\(more)}}"
    }

    /// [2, 64] of 4-bit codes in groups of 32.
    private static func packed() -> PackedFile {
        var file = PackedFile()
        file.set(".weight_packed", .i32, [2, 8], Array(repeating: 0x9a, count: 32) + Array(repeating: 0x07, count: 32))
        file.set(".weight_scale", [2, 2], bfloats: [1, 2, 3, 4])
        file.set(".weight_shape", [2], integers: [Int64(2), 64], .i64)
        file.config = config(#""num_bits": 4, "group_size": 32"#)
        return file
    }

    @Test func codesAreMovedToTheMiddle() throws {
        let values = try Self.packed().elements()
        #expect(values[0] == 2 && values[1] == 1 && values[32] == 4 && values[64] == -3 && values[65] == -24 && values[97] == -32)
    }

    /// Packed down the rows: bits 0 to 3 of the one word are row 0, the next four row 1.
    @Test func zeroPointsAreTakenFromTheCodes() throws {
        var file = Self.packed()
        file.set(".weight_zero_point", [1, 2], integers: [Int32(0x31), 0x42], .i32)
        let values = try file.elements()
        // (10 - 1) * 1, (10 - 2) * 2, (7 - 3) * 3, (7 - 4) * 4
        #expect(values[0] == 9 && values[32] == 16 && values[64] == 12 && values[96] == 12)
    }

    @Test func columnsMayHaveGroupsOfTheirOwn() throws {
        var file = Self.packed()
        file.set(".weight_g_idx", [64], integers: (0..<64).map { Int32($0 % 2) }, .i32)
        let values = try file.elements()
        #expect(Array(values[0..<4]) == [2, 2, 2, 2] && Array(values[64..<68]) == [-3, -32, -3, -32])
        // Unset.
        file.set(".weight_g_idx", [64], integers: Array(repeating: Int32(-1), count: 64), .i32)
        #expect(try file.elements() == Self.packed().elements())
    }

    /// 3 bits: 32 codes in 3 words now, 10 in a word until 2025.
    @Test func bothWaysOfPackingAreTold() throws {
        var file = PackedFile()
        file.set(".weight_scale", [1, 1], bfloats: [1])
        file.set(".weight_shape", [2], integers: [Int64(1), 32], .i64)
        file.config = Self.config(#""num_bits": 3"#)
        // Codes 0, 1, ... 7, 0, ...
        let codes = (0..<32).map { UInt64($0 % 8) }
        var dense = [UInt32](repeating: 0, count: 3)
        for (index, code) in codes.enumerated() {
            let bits = code << UInt64(3 * index % 32)
            dense[3 * index / 32] |= UInt32(truncatingIfNeeded: bits)
            if 3 * index / 32 < 2 { dense[3 * index / 32 + 1] |= UInt32(truncatingIfNeeded: bits >> 32) }
        }
        file.set(".weight_packed", [1, 3], integers: dense, .i32)
        let expected = codes.map { Float($0) - 4 }
        #expect(try file.elements() == expected)
        var words = [UInt32](repeating: 0, count: 4)
        for (index, code) in codes.enumerated() { words[index / 10] |= UInt32(code) << UInt32(3 * (index % 10)) }
        file.set(".weight_packed", [1, 4], integers: words, .i32)
        #expect(try file.elements() == expected)
        // 20 codes take two words either way.
        file.set(".weight_shape", [2], integers: [Int64(1), 20], .i64)
        file.set(".weight_packed", [1, 2], integers: Array(words.prefix(2)), .i32)
        #expect(try file.refusal() == "\(Self.name).weight_packed': has 2 words for 20 codes, which fits in 2 ways of packing 3 bits")
    }

    /// Without a config the words alone tell the bits, where they do.
    @Test func bitsFollowFromTheWords() throws {
        var file = Self.packed()
        file.config = nil
        #expect(try file.elements() == Self.packed().elements())
    }

    @Test(arguments: [
        ([2, 1], [1, 2] as [Float], [1, 1, 2, 2] as [Float]), ([2], [1, 2], [1, 1, 2, 2]), ([1], [3], [3, 3, 3, 3]),
        ([], [3], [3, 3, 3, 3]), ([2, 2], [1, 2, 3, 4], [1, 2, 3, 4]),
    ])
    func bytesHaveScalesOfEveryShape(_ dimensions: [Int], _ scales: [Float], _ expected: [Float]) throws {
        var file = PackedFile()
        file.set(".weight", .i8, [2, 2], [1, 1, 1, 1])
        file.set(".weight_scale", dimensions, bfloats: scales)
        file.config = Self.config(#""num_bits": 8"#, format: "int-quantized")
        #expect(try file.elements() == expected)
        file.set(".weight_zero_point", .i8, dimensions, filling: 2)
        #expect(try file.elements() == expected.map { -$0 })
    }

    @Test func blocksMayBePartial() throws {
        var file = PackedFile()
        file.set(".weight", .i8, [3, 5], filling: 1)
        file.set(".weight_scale", [2, 3], bfloats: [1, 2, 3, 4, 5, 6])
        file.config = Self.config(#""num_bits": 8, "strategy": "block", "block_structure": [2, 2]"#, format: "int-quantized")
        #expect(try file.elements() == [1, 1, 2, 2, 3, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6])
    }

    /// [1, 32] with a scale for 16 of them.
    private static func nvfp4() -> PackedFile {
        var file = PackedFile()
        file.set(".weight_packed", .u8, [1, 16], filling: 0xf3)
        // 1.5 and 2
        file.set(".weight_scale", .f8e4m3, [1, 2], [0x3c, 0x40])
        file[".weight_global_scale"] = StoredTensor(PackedFile.module + ".weight_global_scale", [1], [4])
        return file
    }

    @Test func nvfp4IsDividedByItsGlobalScale() throws {
        let values = try Self.nvfp4().elements()
        #expect(values[0] == 1.5 * 0.375 && values[1] == -6 * 0.375 && values[16] == 0.75 && values[17] == -3)
    }

    @Test func modeloptMultiplies() throws {
        var file = Self.nvfp4()
        let codes = try #require(file[".weight_packed"])
        file.parts.removeAll { $0.end == ".weight_packed" || $0.end == ".weight_global_scale" }
        file.set(".weight", .u8, [1, 16], codes.bytes)
        file[".weight_scale_2"] = StoredTensor(PackedFile.module + ".weight_scale_2", [], [0.25])
        #expect(try file.elements() == Self.nvfp4().elements())
        file.set(".pre_quant_scale", .bf16, [32])
        #expect(
            try file.refusal()
                == "\(Self.name).weight': holds codes of NVFP4 for inputs that 'model.layers.0.mlp.up_proj.pre_quant_scale' has scaled, "
                + "which is not read")
    }

    private static let name = "tensor 'model.layers.0.mlp.up_proj"
    private static let packedName = "'model.layers.0.mlp.up_proj.weight_packed'"

    static let damages: [(@Sendable (inout PackedFile) -> Void, String)] = [
        (
            { $0[".weight_scale"] = nil },
            "\(name).weight_packed': is I32 [2, 8], but 'model.layers.0.mlp.up_proj.weight_scale', which explains it, is missing"
        ),
        (
            { $0[".weight_shape"] = nil },
            "\(name).weight_packed': is I32 [2, 8], but 'model.layers.0.mlp.up_proj.weight_shape', which explains it, is missing"
        ),
        (
            { $0.set(".weight_shape", [2], integers: [Int64(2), -64], .i64) },
            "\(name).weight_shape': is [2, -64], which is no shape of a weight"
        ),
        (
            { $0.set(".weight_shape", [2], integers: [Int64(1) << 40, Int64(1) << 40], .i64) },
            "\(name).weight_shape': is [1099511627776, 1099511627776], which is no shape of a weight"
        ),
        (
            { $0.set(".weight_shape", [1], integers: [Int64(2)], .i64) },
            "\(name).weight_shape': is I64 [1], but I64 or I32 [2] belongs to \(packedName) of [2, 8]"
        ),
        (
            { $0.set(".weight_shape", [2], integers: [Int64(3), 64], .i64) },
            "\(name).weight_packed': has shape [2, 8], but [3, words] belongs to a weight of [3, 64]"
        ),
        (
            { $0.set(".weight_shape", [2], integers: [Int64(2), 128], .i64) },
            "\(name).weight_packed': has 8 words for 128 codes, which fits none of 4 bits"
        ),
        (
            { $0.set(".weight_shape", [2], integers: [Int64(2), Int64.max / 4], .i64) },
            "\(name).weight_packed': has 8 words for 2305843009213693951 codes, which fits none of 4 bits"
        ),
        (
            { $0.set(".weight_scale", [2, 3], bfloats: [1, 1, 1, 1, 1, 1]) },
            "\(name).weight_scale': has 3 groups in 64 columns, not groups of 32"
        ),
        (
            {
                $0.set(".weight_scale", [2, 3], bfloats: [1, 1, 1, 1, 1, 1])
                $0.config = config(#""num_bits": 4"#)
            }, "\(name).weight_scale': has 3 groups in 64 columns, which are no equal ones"
        ),
        (
            { $0.set(".weight_scale", [3, 2], bfloats: [1, 1, 1, 1, 1, 1]) },
            "\(name).weight_scale': has shape [3, 2], which is none of scales of a weight [2, 64]: neither of a row or its groups nor of "
                + "blocks that config.json states"
        ),
        (
            { $0.set(".weight_scale", .i32, [2, 2]) },
            "\(name).weight_scale': is I32, but scales are BF16, F16 or F32"
        ),
        (
            { $0.set(".weight_zero_point", .i8, [2, 2]) },
            "\(name).weight_zero_point': is I8 [2, 2], but packed zero points are I32 [words, 2]"
        ),
        (
            { $0.set(".weight_zero_point", .i32, [2, 2]) },
            "\(name).weight_zero_point': has 2 words for 2 codes, which fits none of 4 bits"
        ),
        (
            { $0.set(".weight_g_idx", [64], integers: (0..<64).map { Int32($0 == 9 ? 2 : 0) }, .i32) },
            "\(name).weight_g_idx': element 9 is 2, but there are groups 0 to 1"
        ),
        (
            { $0.set(".weight_g_idx", [64], integers: (0..<64).map { Int32($0 == 9 ? -1 : 0) }, .i32) },
            "\(name).weight_g_idx': element 9 is -1, but there are groups 0 to 1"
        ),
        (
            { $0.set(".weight_g_idx", .i32, [63]) },
            "\(name).weight_g_idx': is I32 [63], but I32 [64] belongs to \(packedName) of [2, 8]"
        ),
        ({ $0.set(".weight_packed", .i64, [2, 8]) }, "\(name).weight_packed': is I64, but packed codes are I32 or U8"),
        (
            { $0.config = config(#""num_bits": 4"#, format: "marlin-24") },
            "\(name).weight_packed': holds codes of compressed-tensors with the format 'marlin-24' which is not read"
        ),
        (
            { $0.config = config(#""num_bits": 4"#, more: #", "sparsity_config": {"format": "sparse-24-bitmask"}"#) },
            "\(name).weight_packed': holds codes of compressed-tensors with the sparse format 'sparse-24-bitmask' which is not read"
        ),
        (
            { $0.config = config(#""num_bits": 4"#, more: #", "transform_config": {"config_groups": {"R1": {}}}"#) },
            "\(name).weight_packed': holds codes of compressed-tensors with rotations (transform_config), which the model would have to undo, "
                + "which is not read"
        ),
        (
            {
                $0.config =
                    #"{"quantization_config": {"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": {"num_bits": 4, "group_size": 48}}, "b": {"weights": {"num_bits": 4, "group_size": 33}}}}}"#
            },
            "\(name).weight_scale': has 2 groups in 64 columns, but groups of 33 and 48 are stated, and either would fit"
        ),
    ]

    @Test(arguments: damages.indices) func refusesWhatDoesNotFit(_ index: Int) throws {
        var file = Self.packed()
        #expect(try file.refusal() == nil)
        Self.damages[index].0(&file)
        #expect(try file.refusal() == Self.damages[index].1)
    }

    static let damagedFloats: [(@Sendable (inout PackedFile) -> Void, String)] = [
        (
            { $0.set(".weight_scale", .f8e4m3, [2, 1]) },
            "\(name).weight_scale': is F8_E4M3 [2, 1], but F8_E4M3 [1, 2] belongs to \(packedName) of [1, 16]"
        ),
        (
            { $0[".weight_global_scale"] = StoredTensor(PackedFile.module + ".weight_global_scale", [], [4]) },
            "\(name).weight_global_scale': is F32 [], but F32 [1] belongs to \(packedName) of [1, 16]"
        ),
        (
            { $0[".weight_global_scale"] = StoredTensor(PackedFile.module + ".weight_global_scale", [1], [0]) },
            "\(name).weight_global_scale': is 0.0, but scales are positive numbers"
        ),
        (
            { $0[".weight_global_scale"] = StoredTensor(PackedFile.module + ".weight_global_scale", [1], [.nan]) },
            "\(name).weight_global_scale': is nan, but scales are positive numbers"
        ),
        (
            { $0[".weight_global_scale"] = nil },
            "\(name).weight_scale': is F8_E4M3 [1, 2], but U8 or F8_E8M0 [1, 1] belongs to \(packedName) of [1, 16]"
        ),
        (
            { $0.set(".weight_packed", .u8, [1, 15]) },
            "\(name).weight_packed': has shape [1, 15], but 4-bit floats are [out, in / 2] with whole groups of 16"
        ),
        (
            { $0.set(".weight_packed", .u8, [16]) },
            "\(name).weight_packed': has shape [16], but 4-bit floats are [out, in / 2] with whole groups of 16"
        ),
    ]

    @Test(arguments: damagedFloats.indices) func refusesFloatsThatDoNotFit(_ index: Int) throws {
        var file = Self.nvfp4()
        #expect(try file.refusal() == nil)
        Self.damagedFloats[index].0(&file)
        #expect(try file.refusal() == Self.damagedFloats[index].1)
    }
}
