import Adapters
import ByteIO
import Checkpoints
import TensorCore
import TestSupport
import Testing

@testable import Merging
@testable import Streaming

struct MergeVerificationTests {
    private static func verify(_ base: String, _ adapter: String, _ merged: String, weight: Double = 1) throws -> MergeVerification.Report {
        let base = try Checkpoint.open(base), merged = try Checkpoint.open(merged)
        let form = try #require(MergeVerification.form(of: merged, base: base))
        let plan = try MergePlan(base: base, adapters: [WeightedAdapter(try Adapter.open(adapter), weight: weight)], form: form)
        return try MergeVerification(plan, merged: merged, resources: Resources(threadCount: 2, chunkElementCount: 1 << 19)).run()
    }

    @Test(arguments: ["qnf", "folder", "export"]) func whatAMergeWritesIsEqual(_ kind: String) throws {
        let folder = try TemporaryFolder()
        let adapter = Fixture.adapter("llama-embedding")
        var base = Fixture.checkpoint("llama/dense-bf16"), merged = folder.path("merged")
        var form: MergePlan.Form?
        if kind == "qnf" {
            (base, merged) = (folder.path("base.qnf"), folder.path("merged.qnf"))
            try convert(Fixture.checkpoint("llama/nf4-bf16"), to: base)
        } else if kind == "export" {
            (base, form) = (Fixture.checkpoint("llama/nf4-f32"), .export(.f16))
        }
        try merge(base, adapter, to: merged, form: form)
        let report = try Self.verify(base, adapter, merged)
        #expect(report.isEqual, "\(report.differing) \(report.missing) \(report.extra)")
        #expect(report.comparedCount == (kind == "qnf" ? 91 : 21))
        let other = try Self.verify(base, adapter, merged, weight: 0.5)
        #expect(!other.isEqual && other.missing.isEmpty && other.extra.isEmpty && !other.differing.isEmpty)
        #expect(other.differing.allSatisfy { $0.name.contains("embed") || $0.name.contains("q_proj") || $0.name.contains("lm_head") })
    }

    @Test func findsWhatIsMissingAndWhatIsTooMuch() throws {
        let folder = try TemporaryFolder()
        let base = Fixture.checkpoint("gpt2/dense-f32"), adapter = Fixture.adapter("gpt2-plain")
        try merge(base, adapter, to: folder.path("merged"))
        var tensors = try Checkpoint.open(folder.path("merged")).source.storedTensors()
        let position = try #require(tensors.firstIndex { $0.name == "transformer.ln_f.bias" })
        tensors[position].name = "stranger"
        try folder.write(tensors.safetensors(), to: "merged/model.safetensors")
        let report = try Self.verify(base, adapter, folder.path("merged"))
        #expect(report.missing.map(\.name) == ["transformer.ln_f.bias"])
        #expect(report.extra == ["stranger"])
        #expect(report.differing.isEmpty && !report.isEqual)
    }
}
