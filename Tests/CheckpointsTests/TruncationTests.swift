import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// Files of every quantization and of every layout, cut off anywhere: an error that names the file, or the whole model.
@Suite struct TruncationTests {
    /// Every tensor with its name, type, shape and elements.
    private static func contents(_ path: String) throws -> [String] {
        let checkpoint = try Checkpoint.open(path)
        try checkpoint.requireReadableWeights()
        return try checkpoint.tensors.map { tensor in
            var digest = SHA256()
            if let index = tensor.plainIndex {
                digest.append(try checkpoint.source.bytes(ofTensor: index))
            } else {
                try checkpoint.reader(of: tensor, order: .outputsByInputs).allElements().withUnsafeBytes { digest.append(Array($0)) }
            }
            return "\(tensor.name) \(tensor.typeName) \(tensor.shape) \(digest.finish())"
        }
    }

    private static func faults(_ name: String, in folder: TemporaryFolder) throws -> [String] {
        try truncationFaults(of: name, in: folder) { try contents(folder.path) }
    }

    @Test(arguments: [
        "grouped/ct-w3a16-group", "grouped/ct-w4a16-asym", "grouped/ct-w8a8", "grouped/ct-nvfp4", "grouped/ct-mxfp4",
        "grouped/modelopt-nvfp4", "grouped/mlx-4bit", "grouped/mlx-mxfp8", "grouped/hqq-3-axis0", "grouped/torchao-int8",
        "grouped/torchao-fp8",
    ])
    func modelsOfOtherLibraries(_ fixture: String) throws {
        let folder = try TemporaryFolder()
        for name in try FilePath.entries(of: Fixture.path(fixture)) { try folder.copy(Fixture.path("\(fixture)/\(name)")) }
        #expect(try Self.faults("model.safetensors", in: folder) == [])
    }

    /// The first file; of Meta's the second of two pieces as well.
    @Test(arguments: [
        ("layouts/meta-llama", "consolidated.00.pth"), ("layouts/meta-llama", "consolidated.01.pth"),
        ("layouts/mistral", "consolidated.safetensors"), ("layouts/nanogpt", "ckpt.pt"),
    ])
    func modelsInOtherLayouts(_ fixture: String, _ file: String) throws {
        let folder = try TemporaryFolder()
        for name in try FilePath.entries(of: Fixture.path(fixture)) { try folder.copy(Fixture.path("\(fixture)/\(name)")) }
        #expect(try Self.faults(file, in: folder) == [])
    }

    @Test(arguments: ["legacy.bin", "legacy-protocol4.bin", "compiled.bin", "zip-big-endian.bin", "zip-protocol5.bin", "lightning.ckpt"])
    func pickles(_ name: String) throws {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.path("pickle/\(name)"))
        #expect(try truncationFaults(of: name, in: folder) { try Self.contents(folder.path(name)) } == [])
    }

    static let weights: [(name: String, tensors: [StoredTensor], config: String)] = [
        (
            "GPTQ", GPTQWeight(bits: 4, inputs: 64, outputs: 32, storedZeros: { UInt32($0 + $1) & 7 }).tensors(),
            #""quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 32}"#
        ),
        (
            "AWQ",
            [
                PackedCheckpoint.words(".qweight", [32, 2], (0..<64).map { $0 &* 0x9e37_79b9 }),
                PackedCheckpoint.words(".qzeros", [1, 2], [0x7654_3210, 0x89ab_cdef]),
                PackedCheckpoint.halves(".scales", [1, 16], (0..<16).map { Float16($0 + 1) / 64 }),
            ], #""quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm"}"#
        ),
        (
            "FP8",
            [
                StoredTensor(".weight", .f8e4m3, [6, 10], (0..<60).map { UInt8($0 * 2) }),
                StoredTensor(".weight_scale_inv", [2, 3], [1, 0.5, 2, 4, 0.25, 8]),
            ], #""quantization_config": {"quant_method": "fp8", "weight_block_size": [4, 4]}"#
        ),
        (
            "INT8",
            [
                StoredTensor(".weight", .i8, [3, 5], (0..<15).map { UInt8($0 * 9) }), StoredTensor(".SCB", [3], [1, 2, 3]),
                StoredTensor(".weight_format", .u8, [], [0]),
            ], #""quantization_config": {"load_in_8bit": true}"#
        ),
    ]

    @Test(arguments: 0..<4) func smallWeights(_ index: Int) throws {
        let weight = Self.weights[index]
        let model = try PackedCheckpoint(weight.tensors, config: weight.config)
        #expect(model.checkpoint.tensors[0].isEncoded, "\(weight.name)")
        #expect(try Self.faults("model.safetensors", in: model.folder) == [], "\(weight.name)")
    }

    /// The smallest models of a few numbers and a fixed order.
    @Test(
        arguments: [
            ("llama2.c", [2, 1, 1, 1, 1, 1, 1], 32), ("llm.c", [20_240_326, 3, 2, 3, 1, 1, 2, 4] + [Int32](repeating: 0, count: 248), 90),
        ] as [(String, [Int32], Int)])
    func flatFiles(_ kind: String, _ header: [Int32], _ floatCount: Int) throws {
        let folder = try TemporaryFolder()
        let weights = (0..<floatCount).map { Float($0 + 1) }
        try folder.write(header.withUnsafeBytes { Array($0) } + weights.withUnsafeBytes { Array($0) }, to: "model.bin")
        #expect(try truncationFaults(of: "model.bin", in: folder) { try Self.contents(folder.path("model.bin")) } == [], "\(kind)")
    }
}
