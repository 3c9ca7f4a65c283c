import ByteIO
import Checkpoints
import Quantization
import TensorCore
import TestSupport
import Testing

/// Weights of HQQ, made by hand; those that the library wrote are in `GroupedFixtureTests`.
@Suite struct HQQLayoutTests {
    /// [2, 4] of 4 bits in groups of 4: rows of the matrix are the rows of the weight, one in each half of a byte.
    private static func sound() -> PackedFile {
        var file = PackedFile()
        file.set(".W_q", .u8, [1, 4], [0x15, 0x26, 0x37, 0x48])
        file.set(".scale", [2, 1], bfloats: [0.5, 2])
        file.set(".zero", [2, 1], bfloats: [1, 8])
        file.set(".shape", [2], integers: [Int64(2), 4], .i64)
        for (end, value) in [(".nbits", 4), (".axis", 1), (".group_size", 4)] { file.set(end, [], integers: [Int32(value)], .i32) }
        file.set(".packing", .u8, [7], Array("4bit_u8".utf8))
        for end in [".view_as_float", ".quant_scale", ".quant_zero", ".optimize", ".offload_meta"] { file.set(end, .u8, []) }
        return file
    }

    @Test func bandsLieInTheBitsFromAbove() throws {
        #expect(try Self.sound().elements() == [0, 0.5, 1, 1.5, -6, -4, -2, 0])
    }

    @Test func settingsArePartsOfTheWeight() throws {
        let folder = try TemporaryFolder(), checkpoint = try Self.sound().open(folder)
        #expect(checkpoint.tensors.map(\.name) == [PackedFile.module + ".weight"] && checkpoint.leftovers.isEmpty)
        #expect(checkpoint.tensors[0].parts.count == 13)
    }

    /// Groups are columns: 8 of them with a scale each, of one row and the row below in the other half.
    @Test func groupsMayBeColumns() throws {
        var file = Self.sound()
        file.set(".axis", [], integers: [Int32(0)], .i32)
        file.set(".group_size", [], integers: [Int32(2)], .i32)
        file.set(".scale", [1, 4], bfloats: [1, 2, 3, 4])
        file.set(".zero", [1, 4], bfloats: [0, 0, 0, 1])
        #expect(try file.elements() == [1, 4, 9, 12, 5, 12, 21, 28])
    }

    private static let name = "tensor 'model.layers.0.mlp.up_proj"

    static let damages: [(@Sendable (inout PackedFile) -> Void, String)] = [
        (
            { $0[".zero"] = nil },
            "\(name).W_q': holds codes of HQQ without the settings (shape, nbits, axis) that tell how it lies, which is not read"
        ),
        (
            { $0[".nbits"] = nil },
            "\(name).W_q': holds codes of HQQ without the settings (shape, nbits, axis) that tell how it lies, which is not read"
        ),
        (
            { $0.set(".view_as_float", .u8, [], [1]) },
            "\(name).W_q': holds codes of HQQ with codes that pretend to be floats (view_as_float), which is not read"
        ),
        (
            { $0.set(".quant_zero", .u8, [], [1]) },
            "\(name).W_q': holds codes of HQQ with zeros that are quantized themselves (quant_zero), which is not read"
        ),
        (
            { $0.set(".quant_zero", .u8, [2]) },
            "\(name).quant_zero': is U8 [2], but U8 or BOOL [] belongs to 'model.layers.0.mlp.up_proj.W_q' of [1, 4]"
        ),
        ({ $0.set(".nbits", [], integers: [Int32(9)], .i32) }, "\(name).W_q': has codes of 9 bits, but HQQ has 1 to 8"),
        (
            { $0.set(".nbits", [], integers: [Int32(2)], .i32) },
            "\(name).packing': is '4bit_u8', but codes of 2 bits lie as '2bit_u8'"
        ),
        ({ $0.set(".axis", [], integers: [Int32(2)], .i32) }, "\(name).W_q': axis 2 is none of a matrix"),
        (
            { $0.set(".group_size", [], integers: [Int32(8)], .i32) },
            "\(name).group_size': is 8, but 2 scales of 8 elements make groups of 4"
        ),
        (
            { $0.set(".scale", [3, 1], bfloats: [1, 1, 1]) },
            "\(name).scale': has 3 scales, but the 8 elements of [2, 4] are no equal groups then"
        ),
        (
            { $0.set(".shape", [2], integers: [Int64(2), -4], .i64) }, "\(name).shape': is [2, -4], which is no shape of a weight"
        ),
        (
            { $0.set(".shape", [2], integers: [Int64(4), 4], .i64) },
            "\(name).group_size': is 4, but 2 scales of 16 elements make groups of 8"
        ),
        (
            { $0.set(".W_q", .u8, [1, 5]) },
            "\(name).W_q': is U8 [1, 5], but U8 [1, 4] belongs to 'model.layers.0.mlp.up_proj.shape' of [2]"
        ),
        (
            { $0.set(".zero", .f16, [2, 1]) },
            "\(name).zero': is F16 [2, 1], but BF16 [2, 1] belongs to 'model.layers.0.mlp.up_proj.W_q' of [1, 4]"
        ),
        (
            { $0.set(".scale", [1, 2], bfloats: [1, 1]) },
            "\(name).scale': is BF16 [1, 2], but BF16 [2, 1] belongs to 'model.layers.0.mlp.up_proj.W_q' of [1, 4]"
        ),
        ({ $0.set(".scale", .u8, [2, 1]) }, "\(name).W_q': scales of U8 are not known of HQQ"),
        ({ $0.set(".packing", .u8, [100]) }, "\(name).packing': is U8 [100], but a name in U8 is expected"),
    ]

    @Test(arguments: damages.indices) func refusesWhatDoesNotFit(_ index: Int) throws {
        var file = Self.sound()
        #expect(try file.refusal() == nil)
        Self.damages[index].0(&file)
        #expect(try file.refusal() == Self.damages[index].1)
    }
}
