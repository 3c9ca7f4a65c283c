import ByteIO
import Checkpoints
import Quantization
import TensorCore
import TestSupport
import Testing

/// Experts whose weights are 4-bit floats, as gpt-oss stores them.
@Suite struct MXFP4LayoutTests {
    private static let name = "model.layers.0.mlp.experts.down_proj"

    private static func open(_ tensors: [StoredTensor], _ folder: TemporaryFolder) throws -> Checkpoint {
        try folder.write("{\"model_type\":\"gpt_oss\",\"quantization_config\":{\"quant_method\":\"mxfp4\"}}", to: "config.json")
        try folder.write(tensors.safetensors(), to: "model.safetensors")
        return try Checkpoint.open(folder.path)
    }

    private static func tensors(blocks: [Int], scales: [Int], codes: UInt8 = 0x2f, exponent: UInt8 = 127) -> [StoredTensor] {
        [
            StoredTensor(name + "_blocks", .u8, blocks, Array(repeating: codes, count: blocks.reduce(1, *))),
            StoredTensor(name + "_scales", .u8, scales, Array(repeating: exponent, count: scales.reduce(1, *))),
        ]
    }

    @Test(arguments: [(127, 1), (128, 2), (120, 0x1p-7), (0, 0x1p-127), (254, 0x1p127)] as [(UInt8, Float)])
    func isOneWeightOfAllExperts(_ exponent: UInt8, _ scale: Float) throws {
        let folder = try TemporaryFolder()
        let checkpoint = try Self.open(Self.tensors(blocks: [2, 3, 2, 16], scales: [2, 3, 2], exponent: exponent), folder)
        let tensor = try #require(checkpoint.tensors.first)
        #expect(checkpoint.tensors.count == 1 && checkpoint.foreignWeights == nil)
        #expect(tensor.name == Self.name && tensor.typeName == "MXFP4" && tensor.scalarType == .bf16)
        #expect(tensor.shape.dimensions == [2, 64, 3] && tensor.orientation == .inputsByOutputs)
        let reader = try checkpoint.reader(of: tensor, order: .outputsByInputs, rounding: .none)
        let values = try reader.elements(30..<98)
        #expect(values == (30..<98).map { $0 % 2 == 0 ? -6 * scale : scale })
    }

    @Test func aDamagedScaleIsNoNumber() throws {
        let folder = try TemporaryFolder()
        let checkpoint = try Self.open(Self.tensors(blocks: [1, 1, 1, 16], scales: [1, 1, 1], exponent: 255), folder)
        let error = #expect(throws: FileError.self) {
            try checkpoint.reader(of: checkpoint.tensors[0], order: .outputsByInputs).allElements()
        }
        #expect(error?.place == "tensor '\(Self.name)_scales'")
        #expect(error?.message.hasPrefix("element 0 is 255, which as an exponent stands for no number") == true)
    }

    @Test(arguments: [
        ([2, 3, 16], [2, 3], "_blocks': has shape [2, 3, 16], but codes of MXFP4 are [experts, out, in / 32, 16]"),
        ([2, 3, 2, 15], [2, 3, 2], "_blocks': has shape [2, 3, 2, 15], but codes of MXFP4 are [experts, out, in / 32, 16]"),
        (
            [2, 3, 2, 16], [2, 3, 4], "_scales': is U8 [2, 3, 4], but U8 [2, 3, 2] belongs to 'model.layers.0.mlp.experts.down_proj_blocks'"
        ),
        ([0, 3, 2, 16], [0, 3, 2], "_blocks': shape [0, 3, 2, 16] is empty or too large"),
    ])
    func refusesPartsThatDoNotFit(_ blocks: [Int], _ scales: [Int], _ message: String) throws {
        let folder = try TemporaryFolder()
        let error = try #require(throws: FileError.self) { try Self.open(Self.tensors(blocks: blocks, scales: scales), folder) }
        #expect(error.description.hasSuffix(message), "\(error.description)")
    }

    /// Alone they are codes that nothing explains.
    @Test func scalesBelongToThem() throws {
        let folder = try TemporaryFolder()
        let checkpoint = try Self.open([Self.tensors(blocks: [1, 1, 1, 16], scales: [1, 1, 1])[0]], folder)
        #expect(checkpoint.foreignWeights != nil)
        #expect(throws: FileError.self) { try checkpoint.requireReadableWeights() }
    }
}
