import ByteIO
import Checkpoints
import Quantization
import TensorCore
import TestSupport
import Testing

/// Weights that MLX quantized, made by hand.
@Suite struct MLXLayoutTests {
    /// [2, 64] of 4-bit codes: rows of 3s and of 5s.
    private static func sound() -> PackedFile {
        var file = PackedFile()
        file.set(".weight", .u32, [2, 8], Array(repeating: 0x33, count: 32) + Array(repeating: 0x55, count: 32))
        file.set(".scales", [2, 1], bfloats: [0.5, -2])
        file.set(".biases", [2, 1], bfloats: [1, 0.25])
        file.config = #"{"quantization": {"group_size": 64, "bits": 4}}"#
        return file
    }

    @Test func isScaledThenMoved() throws {
        #expect(try Self.sound().elements() == Array(repeating: 2.5, count: 64) + Array(repeating: -9.75, count: 64))
    }

    /// The product, and the sum: 255 * 1.0078125 = 256.99..., which BF16 has as 256 and 258.
    @Test func bothOperationsAreRoundedToTheTypeOfTheScales() throws {
        var file = PackedFile()
        file.set(".weight", .u32, [1, 8], filling: 0xff)
        file.set(".scales", [1, 1], bfloats: [1.0078125])
        file.set(".biases", [1, 1], bfloats: [-255])
        file.config = #"{"quantization": {"group_size": 32, "bits": 8}}"#
        #expect(try file.elements() == Array(repeating: 1, count: 32))
        // As F32 the product stays what it is, and the sum is exact.
        file[".scales"] = StoredTensor(PackedFile.module + ".scales", [1, 1], [1.0078125])
        file[".biases"] = StoredTensor(PackedFile.module + ".biases", [1, 1], [-255])
        #expect(try file.elements() == Array(repeating: 1.9921875, count: 32))
    }

    @Test(arguments: [
        #"{"quantization": {"group_size": 32, "bits": 8, "model.layers.0.mlp.up_proj": {"group_size": 64, "bits": 4}}}"#,
        #"{"quantization": {"group_size": 32, "bits": 8, "model.layers.0.mlp.up_proj": {"bits": 4, "mode": "affine"}}}"#,
        #"{"quantization_config": {"group_size": 64, "bits": 4}}"#, #"{"text_config": {"quantization": {"group_size": 64, "bits": 4}}}"#,
        #"{"quantization": {"group_size": 64, "bits": 4, "model.norm": false}}"#,
    ])
    func settingsStandInSeveralPlaces(_ config: String) throws {
        var file = Self.sound()
        file.config = config
        #expect(try file.elements().last == -9.75)
    }

    /// Without scales a module is dense, whatever is stated.
    @Test func modulesWithoutScalesAreDense() throws {
        var file = PackedFile()
        file.set(".weight", [1, 2], bfloats: [1, 2])
        file.others = [StoredTensor("lm_head.weight", .u32, [1, 8], Array(repeating: 0, count: 32))]
        file.others += [
            StoredTensor("lm_head.scales", .bf16, [1, 1], [0, 0]), StoredTensor("lm_head.biases", .bf16, [1, 1], [0, 0]),
        ]
        file.config = Self.sound().config
        let folder = try TemporaryFolder(), checkpoint = try file.open(folder)
        #expect(checkpoint.tensors.map(\.typeName) == ["BF16", "MLX/4/64"] && checkpoint.foreignWeights == nil)
    }

    /// Codes of experts beneath each other, as mlx-lm stacks them.
    @Test func expertsAreOneWeight() throws {
        var file = PackedFile()
        file.set(".weight", .u32, [3, 2, 8], filling: 0x11)
        file.set(".scales", [3, 2, 1], bfloats: [1, 2, 3, 4, 5, 6])
        file.set(".biases", [3, 2, 1], bfloats: [0, 0, 0, 0, 0, 0])
        file.config = Self.sound().config
        #expect(try file.elements() == (1...6).flatMap { Array(repeating: Float($0), count: 64) })
    }

    @Test func alienFloatTypesAreOfTheModel() throws {
        for (type, expected) in [(ScalarType.f16, ScalarType.f16), (.f32, .f32), (.bf16, .bf16)] {
            var file = PackedFile()
            file.set(".weight", .u32, [1, 4], filling: 0x21)
            file.set(".scales", .u8, [1, 1], [128])
            file.config = #"{"dtype": "bfloat16", "quantization": {"group_size": 32, "bits": 4, "mode": "mxfp4"}}"#
            file.others = [StoredTensor("model.norm.weight", type, [2], Array(repeating: 0, count: 2 * type.bitCount / 8))]
            let folder = try TemporaryFolder(), checkpoint = try file.open(folder)
            #expect(checkpoint.tensors.first?.scalarType == expected)
            #expect(try file.elements().prefix(4) == [1, 2, 1, 2])
        }
    }

    @Test func anExponentOf255IsNoNumber() throws {
        var file = PackedFile()
        file.set(".weight", .u32, [1, 8], filling: 0x21)
        file.set(".scales", .u8, [1, 2], [128, 255])
        file.config = #"{"quantization": {"group_size": 32, "bits": 4, "mode": "mxfp4"}}"#
        let error = try #require(throws: FileError.self) { try file.elements() }
        #expect(error.place == "tensor 'model.layers.0.mlp.up_proj.scales'")
        #expect(error.message.hasPrefix("element 1 is 255, which as an exponent stands for no number"))
    }

    private static let name = "tensor 'model.layers.0.mlp.up_proj"

    static let damages: [(@Sendable (inout PackedFile) -> Void, String)] = [
        ({ $0[".biases"] = nil }, "\(name).weight': is U32 [2, 8], but 'model.layers.0.mlp.up_proj.biases', which explains it, is missing"),
        (
            { $0.set(".scales", [1, 2], bfloats: [0, 0]) },
            "\(name).scales': has shape [1, 2], but codes of 4 bits in groups of 64 have [2, 1] where "
                + "'model.layers.0.mlp.up_proj.weight' is [2, 8]"
        ),
        (
            { $0.set(".scales", .i32, [2, 1]) },
            "\(name).scales': is I32 [2, 1], but BF16 or F16 or F32 [2, 1] belongs to 'model.layers.0.mlp.up_proj.weight' of [2, 8]"
        ),
        (
            { $0.set(".biases", .f16, [2, 1]) },
            "\(name).biases': is F16 [2, 1], but BF16 [2, 1] belongs to 'model.layers.0.mlp.up_proj.weight' of [2, 8]"
        ),
        (
            { $0.set(".weight", .u32, [2, 7]) },
            "\(name).weight': has rows of 7 words, which are no whole groups of 64 codes of 4 bits"
        ),
        ({ $0.set(".weight", .u32, [16]) }, "\(name).weight': has shape [16], but codes of MLX are [out, words] or [experts, out, words]"),
        (
            { $0.set(".global_scale", .f32, [1]) },
            "\(name).weight': has 'model.layers.0.mlp.up_proj.global_scale' beside it, which is not known of MLX"
        ),
        (
            { $0.config = #"{"quantization": {"group_size": 64, "bits": 4, "mode": "turbo"}}"# },
            "config.json: quantization: the mode is 'turbo'; known are affine, mxfp4, mxfp8 and nvfp4"
        ),
        (
            { $0.config = #"{"quantization": {"group_size": 64, "bits": 7}}"# },
            "config.json: quantization: 7 bits in groups of 64 are not known of mode affine; there are 2, 3, 4, 5, 6 and 8 in groups of "
                + "32, 64 and 128"
        ),
        (
            { $0.config = #"{"quantization": {"group_size": 64, "bits": 4, "mode": "nvfp4"}}"# },
            "config.json: quantization: 4 bits in groups of 64 are not known of mode nvfp4; there are 4 in groups of 16"
        ),
        (
            { $0.config = #"{"quantization": {"group_size": 64, "bits": 4.5}}"# },
            "config.json: quantization: 'bits' is no whole number"
        ),
        (
            { $0.config = #"{"quantization": {"group_size": 64, "bits": 4, "model.layers.0.mlp.up_proj": false}}"# },
            "config.json: quantization: says that 'model.layers.0.mlp.up_proj' is not quantized, but 'model.layers.0.mlp.up_proj.scales' is "
                + "there"
        ),
        (
            { $0.config = "{}" },
            "\(name).weight': holds codes of MLX, of which the configuration alone says how many bits they have, and it is not there"
        ),
    ]

    @Test(arguments: damages.indices) func refusesWhatDoesNotFit(_ index: Int) throws {
        var file = Self.sound()
        #expect(try file.refusal() == nil)
        Self.damages[index].0(&file)
        #expect(try file.refusal() == Self.damages[index].1)
    }
}
