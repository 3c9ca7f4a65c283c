import ByteIO
import Checkpoints
import Quantization
import TensorCore
import TestSupport
import Testing

/// Weights of torchao, made by hand; those that the library wrote are in `GroupedFixtureTests`.
@Suite struct TorchAOLayoutTests {
    private static func described(_ text: String) -> KeyValuePairs<String, String> { [PackedFile.module + ".weight": text] }

    private static func description(
        _ type: String = "Int8Tensor", block: String = "[1, 4]", dtype: String = "bfloat16",
        names: String = #"["zero_point", "qdata", "scale"]"#
    ) -> KeyValuePairs<String, String> {
        described(
            #"{"_type": "\#(type)", "_data": {"block_size": \#(block), "dtype": {"_type": "torch.dtype", "_data": "\#(dtype)"}}, "#
                + #""_tensor_data_names": \#(names)}"#)
    }

    private static func sound() -> PackedFile {
        var file = PackedFile()
        file.set("._weight_qdata", .i8, [2, 4], [1, 2, 3, 4, 0xff, 0x80, 0x7f, 0])
        file[("._weight_scale")] = StoredTensor(PackedFile.module + "._weight_scale", [2, 1], [0.5, 2])
        file.set("._weight_zero_point", .i8, [2, 1], [1, 0xff])
        file.metadata = description()
        return file
    }

    @Test func zeroPointsAreTakenFromTheCodes() throws {
        #expect(try Self.sound().elements() == [0, 0.5, 1, 1.5, 0, -254, 256, 2])
    }

    @Test func typesAndBlocksAreThoseOfTheMetadata() throws {
        var file = Self.sound()
        file.metadata = Self.description("Float8Tensor", block: "[2, 2]", dtype: "float16", names: #"["qdata", "scale"]"#)
        file.set("._weight_qdata", .f8e4m3, [2, 4], filling: 0x38)
        file[("._weight_scale")] = StoredTensor(PackedFile.module + "._weight_scale", [1, 2], [0.5, 2])
        file["._weight_zero_point"] = nil
        #expect(try file.elements() == [0.5, 0.5, 2, 2, 0.5, 0.5, 2, 2])
        let folder = try TemporaryFolder()
        #expect(try file.open(folder).tensors[0].scalarType == .f16)
    }

    private static let codes = "tensor 'model.layers.0.mlp.up_proj._weight_qdata'"
    private static let place = "__metadata__: 'model.layers.0.mlp.up_proj.weight'"

    static let damages: [(@Sendable (inout PackedFile) -> Void, String)] = [
        (
            { $0.metadata = [:] },
            "\(codes): holds codes of torchao, of a class that the metadata of the file do not name, which is not read"
        ),
        ({ $0.metadata = description("Int4Tensor") }, "\(codes): holds codes of torchao, an 'Int4Tensor', which is not read"),
        (
            { $0.metadata = description(names: #"["qdata", "scale", "act_pre_scale"]"#) },
            "\(codes): holds codes of torchao, an 'Int8Tensor' with a part 'act_pre_scale', which is not read"
        ),
        ({ $0.metadata = description(block: "[1]") }, "\(place): states no block_size of two numbers"),
        ({ $0.metadata = description(block: "[0, 4]") }, "\(place): states no block_size of two numbers"),
        ({ $0.metadata = description(dtype: "int32") }, "\(place): states the dtype 'int32', none of a dense weight"),
        ({ $0.metadata = described("{") }, "\(place): byte 1: the text ends where a value should be"),
        ({ $0.metadata = description(block: "[1, 8]") }, "\(codes): has shape [2, 4], but blocks of [1, 8] in the metadata"),
        (
            { $0.metadata = description("Float8Tensor") },
            "\(codes): is I8 [2, 4], but F8_E4M3 [2, 4] belongs to 'model.layers.0.mlp.up_proj._weight_qdata' of [2, 4]"
        ),
        (
            { $0["._weight_scale"] = StoredTensor(PackedFile.module + "._weight_scale", [1, 1], [1]) },
            "tensor 'model.layers.0.mlp.up_proj._weight_scale': is F32 [1, 1], but F32 or BF16 or F16 [2, 1] belongs to "
                + "'model.layers.0.mlp.up_proj._weight_qdata' of [2, 4]"
        ),
        (
            { $0["._weight_zero_point"] = nil },
            "\(codes): is I8 [2, 4], but 'model.layers.0.mlp.up_proj._weight_zero_point', which explains it, is missing"
        ),
    ]

    @Test(arguments: damages.indices) func refusesWhatDoesNotFit(_ index: Int) throws {
        var file = Self.sound()
        #expect(try file.refusal() == nil)
        Self.damages[index].0(&file)
        let refusal = try file.refusal()
        #expect(refusal == Self.damages[index].1)
    }
}
