import Adapters
import ByteIO
import Checkpoints
import JSONText
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Merging
@testable import Streaming

/// Sums that pass the type of the base: never without a word, and never as a measure.
struct OverflowTests {
    private static let module = "model.layers.0.mlp.down_proj"

    /// One layer [64, 64] in F16, of small values but for the first, which is 65000.
    private static func makeBase(in folder: TemporaryFolder) throws -> String {
        var random = SeededGenerator(seed: 3)
        var values = random.normals(count: 64 * 64, scale: 0.1)
        values[0] = 65000
        var bytes = [UInt8](repeating: 0, count: 2 * values.count)
        var span = bytes.mutableSpan
        var destination = span.mutableBytes
        FloatConversion.narrow(values.span, to: .f16, into: &destination)
        try folder.write([StoredTensor("\(module).weight", .f16, [64, 64], bytes)].safetensors(), to: "base.safetensors")
        return folder.path("base.safetensors")
    }

    /// Adds 1200 to every element, from the same folder: 65000 becomes 66200, and the largest number of F16 is 65504.
    private static func makeAdapter(in folder: TemporaryFolder) throws -> String {
        let ten = [Float](repeating: 10, count: 64 * 4)
        let prefix = "base_model.model.\(module)"
        try folder.write(
            [StoredTensor("\(prefix).lora_A.weight", [4, 64], ten), StoredTensor("\(prefix).lora_B.weight", [64, 4], ten)].safetensors(),
            to: "adapter_model.safetensors")
        try folder.write(#"{"peft_type": "LORA", "r": 4, "lora_alpha": 12}"#, to: "adapter_config.json")
        return folder.path
    }

    @Test func denseMergesCountThem() throws {
        let folder = try TemporaryFolder()
        let base = try Self.makeBase(in: folder), adapter = try Self.makeAdapter(in: folder)
        let outcome = try merge(base, adapter, to: folder.path("merged.safetensors"), form: .sameFiles)
        #expect(outcome.overflows.map(\.name) == ["\(Self.module).weight"] && outcome.overflows.map(\.count) == [1])
        let measures = try #require(outcome.report.rows.first).measures
        // All of the delta arrived, but for one element of 4096.
        #expect(abs(measures.survival - 4095.0 / 4096) < 1e-3 && measures.noise.isFinite && measures.relativeRMSE.isFinite)
        let wide = try merge(base, adapter, to: folder.path("wide.safetensors"), form: .export(.f32))
        #expect(wide.overflows.isEmpty)
    }

    @Test func nothingIsWrittenWhereTheyAreRefused() throws {
        let folder = try TemporaryFolder()
        let base = try Self.makeBase(in: folder), adapter = try Self.makeAdapter(in: folder)
        let plan = try MergePlan(
            base: try Checkpoint.open(base), adapters: [WeightedAdapter(try Adapter.open(adapter))], form: .sameFiles)
        let outcome = try Merge(
            plan, resources: Resources(threadCount: 1, chunkElementCount: 1 << 19), toolVersion: "0.1.0", options: []
        )
        .run(path: folder.path("merged.safetensors"), isFolder: false, replaces: false, refusesOverflow: true)
        #expect(!outcome.isWritten && FilePath.kind(of: folder.path("merged.safetensors")) == .missing)
    }

    /// As PEFT does for every merge; a base in F16 or BF16 keeps its type elsewhere.
    @Test func fourBitMergesAreRecordedAsFloat32() throws {
        let folder = try TemporaryFolder()
        let base = try Self.makeBase(in: folder), adapter = try Self.makeAdapter(in: folder)
        try convert(base, to: folder.path("base.qnf"))
        let outcome = try merge(folder.path("base.qnf"), adapter, to: folder.path("merged.qnf"))
        #expect(outcome.overflows.isEmpty && outcome.report.rows.allSatisfy { $0.measures.survival.isFinite })
        let merged = try Checkpoint.open(folder.path("merged.qnf"))
        let tensor = try #require(merged.tensors.first)
        #expect(tensor.scalarType == .f32)
        let values = try merged.reader(of: tensor, order: .outputsByInputs).allElements()
        #expect(abs(values[0] - 66200) < 10 && values.allSatisfy(\.isFinite))
        try unmerge(folder.path("merged.qnf"), to: folder.path("again.qnf"))
        #expect(try modelFiles(folder.path("again.qnf")) == modelFiles(folder.path("base.qnf")))
    }
}
