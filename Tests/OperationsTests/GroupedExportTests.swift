import ByteIO
import Checkpoints
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import Conversion
@testable import Streaming

/// Models that other libraries quantized leave dense: every tensor as its library gives it, and a config that says so.
@Suite struct GroupedExportTests {
    private static func path(_ name: String) -> String { Fixture.path("grouped/models/\(name)") }

    @Test(arguments: ["mlx-mixed-3-6-8", "ct-w4a16-asym", "modelopt-nvfp4"])
    func tensorsAreThoseOfTheLibrary(_ name: String) throws {
        let folder = try TemporaryFolder()
        try ExportTests.export(Self.path(name), form: .dense(nil), to: folder.path("dense.safetensors"), chunkElementCount: 1 << 12)
        let tensors = try storedTensors(at: folder.path("dense.safetensors"))
        let rows = try Fixture.table("grouped/models/\(name)/digests.tsv")
        #expect(Set(tensors.keys) == Set(rows.map { $0[0] }))
        for row in rows {
            let tensor = try #require(tensors[row[0]])
            var digest = SHA256()
            digest.append(tensor.bytes)
            #expect("\(tensor.dimensions)" == row[2] && digest.finish() == row[3], "\(row[0])")
        }
    }

    @Test(arguments: ["mlx-mixed-3-6-8", "ct-w4a16-asym", "modelopt-nvfp4"])
    func configsSayThatItIsDense(_ name: String) throws {
        let folder = try TemporaryFolder()
        try ExportTests.export(Self.path(name), form: .dense(nil), to: folder.path("hf"), shardByteCount: .max)
        let config = try ExportTests.config(folder.path("hf"))
        #expect(config["quantization_config"] == nil && config["quantization"] == nil)
        #expect(config["dtype"] == .string("bfloat16") && config["rope_theta"]?.double == 10000)
        #expect(FilePath.kind(of: folder.path("hf/hf_quant_config.json")) == .missing)
        // What is left is read as a model like any other.
        #expect(try Checkpoint.open(folder.path("hf")).foreignWeights == nil)
    }

    /// Linear layers become 4-bit again, and an embedding in codes dense.
    @Test func becomesNF4() throws {
        let folder = try TemporaryFolder()
        try convert(Self.path("mlx-mixed-3-6-8"), to: folder.path("model.qnf"))
        let checkpoint = try Checkpoint.open(folder.path("model.qnf"))
        let types = Dictionary(uniqueKeysWithValues: checkpoint.tensors.map { ($0.name, $0.typeName) })
        #expect(types["model.embed_tokens.weight"] == "BF16" && types["lm_head.weight"] == "BF16")
        #expect(types["model.layers.0.self_attn.v_proj.weight"] == "NF4/64+DQ")
        // From the values that the dense model has.
        try ExportTests.export(Self.path("mlx-mixed-3-6-8"), form: .dense(nil), to: folder.path("hf"), shardByteCount: .max)
        try convert(folder.path("hf"), to: folder.path("dense.qnf"))
        #expect(try weights(at: folder.path("model.qnf")) == weights(at: folder.path("dense.qnf")))
    }
}
