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

    /// Codes of an expert of a stack are those of a weight of its own with such inputs; of one that no token asked each is the nearest.
    @Test func expertsOfAStackAreFlippedEachByItself() throws {
        let folder = try TemporaryFolder(), plan = try Self.plan("granitemoe", folder, strength: 0.2)
        let names = plan.requantizedNames.filter { $0.contains("input_linear") }, name = try #require(names.first)
        let item = try #require(plan.items.first { $0.name == name }), quantized = try #require(item.tensor.quantized)
        let state = quantized.state, experts = state.shape.dimensions[0], columns = state.shape.dimensions[2]
        #expect(experts == 4)
        @Sendable func inputs(_ expert: Int) -> LayerInputs? {
            guard expert != 2 else { return nil }
            var random = SeededGenerator(seed: UInt64(expert))
            let count = 80
            let x = random.normals(count: count * columns, scale: 1)
            var moments = [Float](repeating: 0, count: columns * columns)
            for token in 0..<60 {
                for i in 0..<columns {
                    for j in 0..<columns { moments[i * columns + j] += x[token * columns + i] * x[token * columns + j] / 60 }
                }
            }
            return LayerInputs(columnCount: columns, moments: moments, heldOut: Array(x[(60 * columns)...]))
        }
        let trial = try MergeTrial(plan, resources: Resources(threadCount: 2, chunkElementCount: 1 << 19)).run()
        let flips = FlipMerge(requantized: trial.filter { $0.key == name }, calibration: JSONObject()) { body in
            for expert in 0..<experts { try body([.init(name, number: expert, of: experts)]) { inputs(expert) } }
        }
        let outcome = try Self.merge(plan, flips, to: folder.path("merged.qnf"))
        let flipped = outcome.report.rows.filter { $0.flips != nil }.map { $0.name }
        #expect(flipped == [name])

        let base = try plan.base.reader(of: item.tensor, order: .outputsByInputs).allElements()
        let dense = try MergePlan(base: plan.base, adapters: plan.adapters, form: .export(.f32))
        _ = try Merge(dense, resources: Resources(threadCount: 2, chunkElementCount: 1 << 19), toolVersion: "0.1.0", options: [])
            .run(path: folder.path("dense.safetensors"), isFolder: false, replaces: false)
        let wanted = try #require(try storedTensors(at: folder.path("dense.safetensors"))[name]).floats
        let reader = try QuantizedReader(source: plan.base.source, tensor: quantized)
        let absmax = try reader.absmax(ofBlocks: 0..<state.blockCount)
        let packed = try plan.base.source.bytes(ofTensor: quantized.codes), size = base.count / experts
        let after = try #require(try weights(at: folder.path("merged.qnf"))[name]).bytes
        var changedCount = 0
        for expert in 0..<experts {
            let own = expert * size..<(expert + 1) * size
            var codes = own.map { packed[$0 / 2] >> ($0 % 2 == 0 ? 4 : 0) & 15 }
            let scales = own.map { absmax[$0 / state.blockSize] }, delta = own.map { wanted[$0] - base[$0] }
            if let inputs = inputs(expert) {
                let before = codes
                func flip(_ mu: Double, _ aim: Double) -> ActivationSums {
                    codes = before
                    return codes.withUnsafeMutableBufferPointer { codes in
                        scales.withUnsafeBufferPointer { scales in
                            delta.withUnsafeBufferPointer {
                                CodeFlips(inputs, steps: CodeSteps(reader.quantMap), mu: mu, aim: aim)
                                    .flip(codes: codes, scales: scales, delta: $0)
                            }
                        }
                    }
                }
                let best = FlipSearch.run { flip($0, $1) }.best
                _ = flip(best.mu, best.aim)
            } else {
                let values = (0..<16).map { reader.quantMap.values[$0] }
                codes = (0..<size).map { element in
                    let target = Double(base[own.lowerBound + element]) + Double(delta[element])
                    return UInt8(
                        values.indices.min { a, b in
                            (Double(values[a]) * Double(scales[element]) - target).magnitude
                                < (Double(values[b]) * Double(scales[element]) - target).magnitude
                        } ?? 0)
                }
            }
            let found = own.map { after[$0 / 2] >> ($0 % 2 == 0 ? 4 : 0) & 15 }
            #expect(found == codes, "expert \(expert)")
            changedCount += zip(found, own).count { $0 != packed[$1 / 2] >> ($1 % 2 == 0 ? 4 : 0) & 15 }
        }
        #expect(changedCount > 0)
    }
}
