import Adapters
import Checkpoints
import JSONText
import Parallelism
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Merging
@testable import Streaming

/// Merges by flips, on inputs that are made up.
struct FlipMergeTests {
    private static let llama = ["q_proj", "o_proj"].map { (name: "model.layers.0.self_attn.\($0)", out: 64, in: 64) }

    /// Correlated inputs of every weight, in groups of one; of those in `skipped` none.
    private static func inputs(_ plan: MergePlan, seed: UInt64 = 11, skipped: Set<String> = []) -> FlipMerge.Inputs {
        let layers = plan.items.filter { plan.requantizedNames.contains($0.name) && !skipped.contains($0.name) }.map {
            (name: $0.name, columns: $0.tensor.quantized?.state.shape.dimensions.last ?? 1)
        }
        return { body in
            for layer in layers {
                var random = SeededGenerator(seed: seed)
                let n = layer.columns, count = n > 64 ? 2 * n : 10 * n, tokens = count + 40
                var x = random.normals(count: tokens * n, scale: 1)
                for token in 0..<tokens { for j in 1..<n { x[token * n + j] += 0.8 * x[token * n + j - 1] } }
                var moments = [Float](repeating: 0, count: n * n)
                for token in 0..<count {
                    for i in 0..<n { for j in 0..<n { moments[i * n + j] += x[token * n + i] * x[token * n + j] / Float(count) } }
                }
                let heldOut = Array(x[(count * n)...])
                try body([.init("stranger"), .init(layer.name)]) { LayerInputs(columnCount: n, moments: moments, heldOut: heldOut) }
            }
        }
    }

    private static func plan(_ base: String, _ adapter: String, weight: Double = 1) throws -> MergePlan {
        try MergePlan(
            base: try Checkpoint.open(base), adapters: [WeightedAdapter(try Adapter.open(adapter), weight: weight)], form: .qnf)
    }

    private static func flips(_ plan: MergePlan, seed: UInt64 = 11, skipped: Set<String> = []) throws -> FlipMerge {
        let trial = try MergeTrial(plan, resources: Resources(threadCount: 2, chunkElementCount: 1 << 19)).run()
        return FlipMerge(
            requantized: trial, calibration: JSONObject(["tokens": .integer(168)]), inputs: inputs(plan, seed: seed, skipped: skipped))
    }

    @discardableResult
    private static func merge(
        _ plan: MergePlan, _ flips: FlipMerge, to path: String, threadCount: Int = 2
    ) throws -> MergeOutcome {
        try Merge(
            plan, resources: Resources(threadCount: threadCount, chunkElementCount: 1 << 19), toolVersion: "0.1.0", options: [],
            flips: flips
        ).run(path: path, isFolder: false, replaces: false)
    }

    @Test(arguments: ["llama/nf4-bf16", "llama/fp4-plain-bf16", "gpt2/nf4-f32", "dora"])
    func theEffectIsKeptWhereQuantizingAgainLosesIt(_ kind: String) throws {
        let folder = try TemporaryFolder()
        let small = try RandomAdapter(Self.llama, scale: 0.02, seed: 3)
        let base = kind == "dora" ? "llama/nf4-f32" : kind
        let adapter = kind == "dora" ? Fixture.adapter("llama-dora") : kind.hasPrefix("gpt2") ? Fixture.adapter("gpt2-plain") : small.path
        let weight = kind.hasPrefix("gpt2") ? 0.1 : 1
        try convert(Fixture.checkpoint(base), to: folder.path("base.qnf"))
        let plan = try Self.plan(folder.path("base.qnf"), adapter, weight: weight), flips = try Self.flips(plan)
        let outcome = try Self.merge(plan, flips, to: folder.path("merged.qnf"))
        let total = try #require(outcome.report.flips)
        #expect(total.count == plan.requantizedNames.count && total.count > 0)
        let requantized = outcome.report.rows.compactMap { $0.flips?.requantized }
        let mean = requantized.reduce(0, +) / Double(requantized.count)
        #expect(total.survival > 0.9 && (total.survival > mean || mean > 0.9), "\(total) against \(mean)")
        // Codes alone change.
        let before = try weights(at: folder.path("base.qnf")), after = try weights(at: folder.path("merged.qnf"))
        let changed = plan.requantizedNames
        for (name, tensor) in before { #expect(after[name] == tensor || changed.contains(name), "\(name)") }
        #expect(changed.allSatisfy { after[$0] != before[$0] })
        #expect(kind != "llama/nf4-bf16" || mean < 0.1)
        try unmerge(folder.path("merged.qnf"), to: folder.path("again.qnf"))
        #expect(try folder.bytes("again.qnf") == folder.bytes("base.qnf"))
    }

    @Test func bytesDoNotDependOnThreads() throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint("gpt2/nf4-f32"), to: folder.path("base.qnf"))
        let plan = try Self.plan(folder.path("base.qnf"), Fixture.adapter("gpt2-plain")), flips = try Self.flips(plan)
        for count in [1, 3] { try Self.merge(plan, flips, to: folder.path("\(count).qnf"), threadCount: count) }
        #expect(try folder.bytes("1.qnf") == folder.bytes("3.qnf"))
    }

    @Test func whatHasNoInputsIsQuantizedAgain() throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint("llama/nf4-bf16"), to: folder.path("base.qnf"))
        let adapter = try RandomAdapter(Self.llama, scale: 0.02, seed: 3)
        let plan = try Self.plan(folder.path("base.qnf"), adapter.path)
        let name = "model.layers.0.self_attn.o_proj.weight"
        let report = try Self.merge(plan, try Self.flips(plan, skipped: [name]), to: folder.path("merged.qnf")).report
        #expect(report.rows.filter { $0.flips == nil }.map(\.name) == [name] && report.flips?.count == 1)
        _ = try Merging.Merge(plan, resources: Resources(threadCount: 2, chunkElementCount: 1 << 19), toolVersion: "0.1.0", options: [])
            .run(path: folder.path("plain.qnf"), isFolder: false, replaces: false)
        let merged = try weights(at: folder.path("merged.qnf")), plain = try weights(at: folder.path("plain.qnf"))
        for (key, tensor) in plain where key.hasPrefix(name) { #expect(merged[key] == tensor, "\(key)") }
    }

    @Test func theLineageSaysHow() throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint("llama/nf4-bf16"), to: folder.path("base.qnf"))
        let adapter = try RandomAdapter(Self.llama, scale: 0.02, seed: 3)
        let plan = try Self.plan(folder.path("base.qnf"), adapter.path)
        let report = try Self.merge(plan, try Self.flips(plan), to: folder.path("merged.qnf")).report
        let step = try #require(try Checkpoint.open(folder.path("merged.qnf")).metadata?.lineage.array?.last)
        #expect(step["flips"]?.text(.compact) == #"{"tokens":168,"mu":[10.0,100.0],"enough":[0.95,1.05],"largest_aim":2.0}"#)
        let rows = try #require(step["report"]?["tensors"]?.array)
        #expect(rows.count == 2 && rows.allSatisfy { ($0["activation_survival"]?.double ?? 0) > 0.9 && $0["aim"]?.double != nil })
        let stated = try #require(rows[0]["requantized_survival"]?.double), measured = try #require(report.rows[0].flips?.requantized)
        #expect(abs(stated - measured) < 1e-5)
    }

    @Test func aMergeIsVerifiedByTheSameInputs() throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint("llama/nf4-bf16"), to: folder.path("base.qnf"))
        let adapter = try RandomAdapter(Self.llama, scale: 0.02, seed: 3)
        let plan = try Self.plan(folder.path("base.qnf"), adapter.path)
        try Self.merge(plan, try Self.flips(plan), to: folder.path("merged.qnf"))
        func verify(_ flips: FlipMerge?) throws -> MergeVerification.Report {
            let resources = Resources(threadCount: 2, chunkElementCount: 1 << 19)
            let merged = try Checkpoint.open(folder.path("merged.qnf"))
            return try MergeVerification(plan, merged: merged, resources: resources, flips: flips).run()
        }
        let same = try verify(try Self.flips(plan))
        #expect(same.isEqual && same.comparedCount == 91)
        let others = try verify(try Self.flips(plan, seed: 12))
        #expect(!others.isEqual && others.differing.allSatisfy { plan.requantizedNames.contains($0.name) })
        #expect(try !verify(nil).isEqual)
    }

    @Test func aDeltaThatIsNoNumberIsRefused() throws {
        let folder = try TemporaryFolder()
        try convert(Fixture.checkpoint("llama/nf4-bf16"), to: folder.path("base.qnf"))
        let adapter = try RandomAdapter(Self.llama, scale: 1e20, seed: 3)
        let plan = try Self.plan(folder.path("base.qnf"), adapter.path)
        let flips = FlipMerge(
            requantized: Dictionary(plan.requantizedNames.map { ($0, 0) }, uniquingKeysWith: { first, _ in first }),
            calibration: JSONObject(), inputs: Self.inputs(plan))
        let error = #expect(throws: (any Error).self) { try Self.merge(plan, flips, to: folder.path("merged.qnf")) }
        #expect("\(try #require(error))".contains("is not a finite number"))
    }
}
