import ByteIO
import Checkpoints
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import Conversion
@testable import Quantization
@testable import Streaming

/// Folders for mlx-lm, with the bits that mlx's own quantizer gives.
@Suite struct MLXExportTests {
    @discardableResult
    private static func export(
        _ source: String, to path: String, bits: Int, groupSize: Int, type: ScalarType? = nil, shardByteCount: Int = .max,
        threadCount: Int = 2, chunkElementCount: Int = 1 << 19
    ) throws -> MLXExportPlan {
        let plan = try MLXExportPlan(try Checkpoint.open(source), bits: bits, groupSize: groupSize, castingTo: type)
        let resources = Resources(threadCount: threadCount, chunkElementCount: chunkElementCount)
        _ = try MLXExport(plan, resources: resources).run(folder: path, maximumShardByteCount: shardByteCount, replaces: false)
        return plan
    }

    /// What mx.quantize gives on a CPU: groups of a ramp, of negative values, of one value, of zeros.
    @Test func codesAreThoseOfMLX() throws {
        let values =
            (0..<32).map { Float($0) } + (0..<32).map { -1 - Float($0) / 4 } + Array(repeating: Float(2), count: 32)
            + Array(repeating: Float(0), count: 32)
        let quantizer = MLXQuantizer(bits: 4, groupSize: 32, scalarType: .f32)
        var codes = [UInt8](repeating: 0, count: 64), scales = [UInt8](repeating: 0, count: 16), biases = scales
        values.withUnsafeBufferPointer { values in
            codes.withUnsafeMutableBytes { codes in
                scales.withUnsafeMutableBytes { scales in
                    biases.withUnsafeMutableBytes { biases in
                        quantizer.quantize(values, codes: codes, scales: scales, biases: biases)
                    }
                }
            }
        }
        func words(_ bytes: [UInt8]) -> [UInt32] {
            bytes.withUnsafeBytes { bytes in (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self) } }
        }
        let ramp: [UInt32] = [0xccdd_eeff, 0x8899_aabb, 0x4455_6677, 0x0011_2233]
        #expect(words(codes) == ramp + ramp + Array(repeating: 0, count: 8))
        #expect(words(scales) == [0xc004_4444, 0x3f03_c3c4, 0xb3d6_bf95, 0xb3d6_bf95])
        #expect(words(biases) == [0x41f8_0000, 0xc10c_0000, 0x4000_0000, 0])
    }

    /// SHA-256 of codes, scales and biases that mx.quantize of mlx 0.32.4 gives of two groups of 128 in each of three rows on a CPU, and of
    /// what mx.dequantize makes of them as float32.
    private static let groupsOf128: [(bits: Int, type: ScalarType, stored: String, decoded: String)] = [
        (
            4, .f32, "0a73f6d558dd0bfd422b0f4372cb27046f89b7b027b933bb06a71684a7e8c488",
            "33b6df7b0c37ce94f3e78cdfce1d283590d94c235f52a7ca9baf398a3efd09b4"
        ),
        (
            4, .bf16, "b42844d10efea4d2103a1bb41d317b4b01ad9c42937e4defad5729614c54b0cc",
            "a62606d2934d27660d3b0e144a26b1410a74d08b05bbc0f69164f8b2eaed4798"
        ),
        (
            8, .f16, "ca1b7c04a5da6586497161f8b24fdd5e8e31cfc7aca72aaaa1bb833ca795b475",
            "ba70b78baf51ca2794599eee8a340edbebb7bc376305fda09397047e3aa281b7"
        ),
        (
            8, .bf16, "cca407181543c1fe5147c85486372060c17027299dbb18b8fee3803d1db6b032",
            "87eff6df44dc4874d735fbd5bb5cc0d347972980f3784daf6a002b59eaaa95f1"
        ),
    ]

    @Test(arguments: 0..<4) func groupsOf128AreThoseOfMLX(_ index: Int) throws {
        let (bits, type, stored, decoded) = Self.groupsOf128[index], name = "model.layers.0.mlp.up_proj"
        let values = (0..<3 * 256).map { index in
            let step = index * 37 % 101 - 50
            return Float(step * (index / 256 + 1)) / 64
        }
        let folder = try TemporaryFolder()
        try folder.write([StoredTensor(name + ".weight", [3, 256], values)].safetensors(), to: "model.safetensors")
        try folder.write(#"{"model_type": "llama", "dtype": "float32"}"#, to: "config.json")
        try Self.export(folder.path, to: folder.path("mlx"), bits: bits, groupSize: 128, type: type)
        let checkpoint = try Checkpoint.open(folder.path("mlx"))
        let parts = try Dictionary(uniqueKeysWithValues: checkpoint.source.storedTensors().map { ($0.name, $0) })
        var digest = SHA256()
        for part in [".weight", ".scales", ".biases"] { digest.append(try #require(parts[name + part]).bytes) }
        #expect(digest.finish() == stored)
        let tensor = try #require(checkpoint.tensors.first)
        #expect(tensor.typeName == "MLX/\(bits)/128")
        // Unrounded ones as well: an export as F32 holds both roundings.
        for rounding in [ElementReader.Rounding.recorded, .none] {
            var digest = SHA256()
            try checkpoint.reader(of: tensor, rounding: rounding).allElements().withUnsafeBytes { digest.append(Array($0)) }
            #expect(digest.finish() == decoded)
        }
    }

    /// A matrix read again is its codes; every value is at most about a step from the original.
    @Test(arguments: [4, 8], [32, 64]) func isReadAgain(bits: Int, groupSize: Int) throws {
        let folder = try TemporaryFolder(), source = Fixture.path("grouped/models/modelopt-nvfp4")
        try Self.export(source, to: folder.path("mlx"), bits: bits, groupSize: groupSize)
        let original = try Checkpoint.open(source), checkpoint = try Checkpoint.open(folder.path("mlx"))
        #expect(checkpoint.foreignWeights == nil && Set(checkpoint.tensors.map(\.name)) == Set(original.tensors.map(\.name)))
        let encoded = checkpoint.tensors.filter(\.isEncoded)
        #expect(encoded.count > 4 && encoded.allSatisfy { $0.typeName == "MLX/\(bits)/\(groupSize)" })
        for tensor in encoded {
            let other = try #require(original.tensors.first { $0.name == tensor.name })
            let values = try checkpoint.reader(of: tensor).allElements(), expected = try original.reader(of: other).allElements()
            let range = (expected.max() ?? 0) - (expected.min() ?? 0)
            let worst = zip(values, expected).reduce(Float(0)) { max($0, ($1.0 - $1.1).magnitude) }
            // A step at the far end of a group, where zero has a code of its own, and what BF16 has no digits for.
            #expect(worst <= range * (1.1 / Float(1 << bits - 1) + 0x1p-7), "\(tensor.name)")
        }
        let config = try ExportTests.config(folder.path("mlx"))
        #expect(config["quantization"] == config["quantization_config"] && config["quantization"]?["bits"]?.integer == bits)
    }

    /// The same bytes by any number of threads, in pieces of any size, and in shards.
    @Test func theBytesDependOnNothingElse() throws {
        let folder = try TemporaryFolder(), source = Fixture.path("grouped/models/modelopt-nvfp4")
        for (name, threads, chunk, limit) in [("a", 1, 1 << 19, Int.max), ("b", 3, 256, Int.max), ("c", 2, 1 << 12, 20_000)] {
            try Self.export(
                source, to: folder.path(name), bits: 4, groupSize: 32, shardByteCount: limit, threadCount: threads, chunkElementCount: chunk
            )
        }
        #expect(try folder.bytes("a/model.safetensors") == folder.bytes("b/model.safetensors"))
        let whole = try Checkpoint.open(folder.path("a")), shards = try Checkpoint.open(folder.path("c"))
        #expect(shards.source.files.count > 1)
        let tensors = try Dictionary(uniqueKeysWithValues: whole.source.storedTensors().map { ($0.name, $0) })
        for tensor in try shards.source.storedTensors() { #expect(tensors[tensor.name] == tensor) }
    }

    @Test func refusesWhatMLXWouldReadOtherwise() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: OperationError.self) {
            try Self.export(Fixture.checkpoint("gpt2/dense-f32"), to: folder.path("mlx"), bits: 4, groupSize: 32)
        }
        #expect(error?.message.contains("lies by its inputs") == true)
        // 128 columns are whole groups, 32 are none.
        let narrow = #expect(throws: OperationError.self) {
            try Self.export(Fixture.transformer("qwen3"), to: folder.path("mlx"), bits: 4, groupSize: 128)
        }
        #expect(narrow?.message.contains("has no weight of whole groups of 128") == true)
    }
}
