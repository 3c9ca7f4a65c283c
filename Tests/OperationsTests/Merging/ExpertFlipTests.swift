import Adapters
import Architectures
import Calibration
import Checkpoints
import Conversion
import JSONText
import ModelLoading
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Merging
@testable import Streaming

/// Merges by flips into experts, on what the base's own experts see of samples.
@Suite struct ExpertFlipTests {
    private static let kinds = ["mixtral", "qwen3_moe"]

    private static func plan(_ name: String, _ folder: TemporaryFolder, strength: Double) throws -> MergePlan {
        let base = folder.path("base.qnf")
        try convert(Fixture.mixture(name), to: base)
        return try MergePlan(
            base: try Checkpoint.open(base),
            adapters: [WeightedAdapter(try Adapter.open(Fixture.path("experts/\(name)")), weight: strength)],
            form: .qnf)
    }

    private static func samples(_ model: LayeredModel, windows: Int) -> CalibrationSamples {
        var random = SeededGenerator(seed: 5)
        return CalibrationSamples(
            (0..<windows).map { number in
                .init(
                    ids: (0..<48).map { _ in Int32.random(in: 0..<Int32(model.configuration.vocabularySize), using: &random) },
                    isHeldOut: number % 4 == 1)
            })
    }

    private static func flips(_ plan: MergePlan, windows: Int = 24) throws -> FlipMerge {
        let resources = Resources(threadCount: 2, chunkElementCount: 1 << 19)
        let model = try LayeredModel(plan.base)
        return try FlipMerge(
            requantized: try MergeTrial(plan, resources: resources).run(), of: model, on: samples(model, windows: windows),
            calibration: JSONObject(["tokens": .integer(48 * windows)]), resources: resources)
    }

    private static func merge(_ plan: MergePlan, _ flips: FlipMerge, to path: String, threadCount: Int = 2) throws -> MergeOutcome {
        try Merge(
            plan, resources: Resources(threadCount: threadCount, chunkElementCount: 1 << 19), toolVersion: "0.1.0", options: [],
            flips: flips
        ).run(path: path, isFolder: false, replaces: false)
    }

    @Test(arguments: kinds)
    func theEffectIsKeptInExperts(name: String) throws {
        let folder = try TemporaryFolder(), plan = try Self.plan(name, folder, strength: 0.03), flips = try Self.flips(plan)
        let outcome = try Self.merge(plan, flips, to: folder.path("merged.qnf"))
        let rows = outcome.report.rows.filter { $0.name.contains("experts") || $0.name.contains("_linear") }
        let found = rows.compactMap(\.flips)
        #expect(!rows.isEmpty && found.count == rows.count)
        let mean = found.map(\.survival).reduce(0, +) / Double(found.count)
        let requantized = found.map(\.requantized).reduce(0, +) / Double(found.count)
        #expect(mean > 0.8 && mean > requantized + 0.1, "\(mean) against \(requantized)")
        // Scales stay.
        let before = try weights(at: folder.path("base.qnf")), after = try weights(at: folder.path("merged.qnf"))
        let changed = plan.requantizedNames
        for (name, tensor) in before { #expect(after[name] == tensor || changed.contains(name), "\(name)") }
        try unmerge(folder.path("merged.qnf"), to: folder.path("again.qnf"))
        #expect(try folder.bytes("again.qnf") == folder.bytes("base.qnf"))
        _ = try Self.merge(plan, flips, to: folder.path("other.qnf"), threadCount: 3)
        #expect(try folder.bytes("other.qnf") == folder.bytes("merged.qnf"))
    }
}
