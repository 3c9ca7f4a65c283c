import ByteIO
import Checkpoints
import JSONText
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Conversion
@testable import Merging
@testable import Streaming

struct MergeTests {
    /// Linear layers of the sample Llama: outputs and inputs.
    static let llamaModules = (0..<2).flatMap { layer in
        let prefix = "model.layers.\(layer)."
        return [
            ("\(prefix)self_attn.q_proj", 64, 64), ("\(prefix)self_attn.k_proj", 32, 64), ("\(prefix)mlp.gate_proj", 112, 64),
            ("\(prefix)mlp.down_proj", 64, 112),
        ]
    }

    @Test(arguments: ["llama/dense-bf16", "llama/dense-f32", "gpt2/dense-f32", "qnf"])
    func aZeroAdapterChangesNothing(_ kind: String) throws {
        let folder = try TemporaryFolder()
        var base = Fixture.checkpoint(kind)
        if kind == "qnf" {
            base = folder.path("base.qnf")
            try convert(Fixture.checkpoint("llama/nf4-bf16"), to: base)
        }
        let output = folder.path(kind == "qnf" ? "merged.qnf" : "merged")
        let family = kind.hasPrefix("gpt2") ? "gpt2-plain" : "llama-plain"
        let outcome = try merge(base, [(Fixture.adapter(family), 0)], to: output)
        // Quantizing again what was dequantized gives the same codes, but its constants are rounded once more.
        let isExact = kind != "qnf"
        for (name, tensor) in try storedWeights(base) {
            let after = try #require(try storedWeights(output)[name])
            let isCodes = tensor.scalarType == .u8 && !name.contains("absmax") && !name.contains("quant_state")
            if isExact || isCodes { #expect(after.bytes == tensor.bytes, "\(name)") }
        }
        #expect(outcome.report.total.deltaRatio == 0)
        #expect(outcome.report.total.survival == 1)
        #expect(outcome.report.total.changedShare == 0)
    }

    @Test func theNumberOfThreadsDoesNotShow() throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint("llama/nf4-bf16"), to: folder.path("base.qnf"))
        let adapter = try RandomAdapter(Self.llamaModules, seed: 1)
        for threads in [1, 2, 5] {
            try merge(folder.path("base.qnf"), [(adapter.path, 0.5)], to: folder.path("\(threads).qnf"), threadCount: threads)
            try merge(
                Fixture.checkpoint("llama/dense-f32"), [(adapter.path, 0.5)], to: folder.path("dense\(threads)"), threadCount: threads)
        }
        for threads in [2, 5] {
            #expect(try folder.bytes("\(threads).qnf") == folder.bytes("1.qnf"))
            #expect(try modelFiles(folder.path("dense\(threads)")) == modelFiles(folder.path("dense1")))
        }
    }

    @Test func severalAdaptersAreAddedUp() throws {
        let folder = try TemporaryFolder()
        let first = try RandomAdapter(Self.llamaModules, seed: 1), second = try RandomAdapter(Self.llamaModules, rank: 2, seed: 2)
        let base = Fixture.checkpoint("llama/dense-f32")
        try merge(base, [(first.path, 1), (second.path, -0.5)], to: folder.path("both"))
        try merge(base, [(first.path, 1)], to: folder.path("one"))
        try merge(folder.path("one"), [(second.path, -0.5)], to: folder.path("two"))
        let both = try storedWeights(folder.path("both")), two = try storedWeights(folder.path("two"))
        for (name, tensor) in both where name.contains("proj") {
            let other = try #require(two[name])
            #expect(zip(tensor.floats, other.floats).allSatisfy { abs($0 - $1) < 1e-6 }, "\(name)")
        }
    }

    @Test(arguments: ["llama/nf4-bf16", "gpt2/nf4-f32", "llama/fp4-plain-bf16"])
    func aDenseOutputIsTheDequantizedBaseAndTheDelta(_ kind: String) throws {
        let folder = try TemporaryFolder()
        let adapter = Fixture.adapter(kind.hasPrefix("gpt2") ? "gpt2-plain" : "llama-plain")
        let base = Fixture.checkpoint(kind)
        try merge(base, adapter, to: folder.path("merged"), form: .export(.f32))
        // The same by another way: the base made dense first.
        let plan = try ExportPlan(try Checkpoint.open(base), form: .dense(nil))
        let resources = Resources(threadCount: 1, chunkElementCount: 1 << 19)
        _ = try Export(plan, resources: resources).run(folder: folder.path("dense"), maximumShardByteCount: .max, replaces: false)
        try merge(folder.path("dense"), adapter, to: folder.path("expected"), form: .export(.f32))
        #expect(try storedWeights(folder.path("merged")) == storedWeights(folder.path("expected")))
        let config = try JSONValue(parsing: try InputFile(path: folder.path("merged/config.json")).allBytes(limit: 1 << 20))
        #expect(config["quantization_config"] == nil)
        #expect(config["dtype"]?.string == "float32")
    }

    @Test func theReferenceTakesThePlaceOfTheBase() throws {
        let folder = try TemporaryFolder()
        let source = Fixture.checkpoint("gpt2/dense-f32")
        try convert(source, to: folder.path("base.qnf"))
        let adapter = Fixture.adapter("gpt2-plain")
        try merge(folder.path("base.qnf"), [(adapter, 1)], to: folder.path("merged.qnf"), reference: source)
        // Merging the dense model and quantizing the result is the same.
        try merge(source, adapter, to: folder.path("dense"))
        try convert(folder.path("dense"), to: folder.path("expected.qnf"))
        let expected = try weights(at: folder.path("expected.qnf"))
        for (name, tensor) in try weights(at: folder.path("merged.qnf")) where UndoFiles.number(of: name) == nil {
            #expect(tensor == expected[name], "\(name)")
        }
        try unmerge(folder.path("merged.qnf"), to: folder.path("again.qnf"))
        #expect(try folder.bytes("again.qnf") == folder.bytes("base.qnf"))
    }

    @Test func theReportSaysWhatSurvived() throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint("llama/nf4-bf16"), to: folder.path("base.qnf"))
        let small = try RandomAdapter(Self.llamaModules, scale: 0.003, seed: 3),
            large = try RandomAdapter(Self.llamaModules, scale: 0.2, seed: 3)
        let lost = try merge(folder.path("base.qnf"), small.path, to: folder.path("small.qnf")).report
        let kept = try merge(folder.path("base.qnf"), large.path, to: folder.path("large.qnf")).report
        #expect(lost.rows.count == 8 && lost.rows.allSatisfy { $0.change == "LoRA, rank 4" && $0.typeName == "NF4" })
        #expect(lost.total.deltaRatio < 0.001 && kept.total.deltaRatio > 0.3)
        #expect(abs(kept.total.survival - 1) < 0.1)
        #expect((kept.total.changedShare ?? 0) > 0.3 && (lost.total.changedShare ?? 1) < 0.05)
        #expect(kept.total.relativeRMSE > 0.05 && kept.total.relativeRMSE < 0.12)
        let dense = try merge(Fixture.checkpoint("llama/dense-f32"), large.path, to: folder.path("dense")).report
        #expect(abs(dense.total.survival - 1) < 1e-6 && dense.total.noise < 1e-6 && dense.total.relativeRMSE < 1e-6)
        let steps = try #require(try Checkpoint.open(folder.path("large.qnf")).metadata?.lineage.array)
        #expect(steps.map { $0["step"]?.string } == ["to-nf4", "merge"])
        #expect(steps[1]["report"]?["tensors"]?.array?.count == 8)
        let stated = try #require(steps[1]["report"]?["total"]?["survival"]?.double)
        #expect(abs(stated - kept.total.survival) < 1e-5)
    }
}
