import Adapters
import ByteIO
import ModelLoading
import Parallelism
import Quantization
import Synchronization
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints
@testable import Comparison
@testable import Conversion
@testable import Inspection
@testable import Merging
@testable import Streaming

/// A weight in an encoding that nobody has kernels for goes through everything that its decoded twin goes through, by being
/// decoded alone; also where the model lies as [in, out].
@Suite struct WeightEncodingTests {
    private static let bases = ["llama", "gpt2"]

    private static func model(_ family: String) throws -> ByteRowModel { try ByteRowModel(Fixture.checkpoint("\(family)/dense-f32")) }

    /// Chunks of few elements: every weight takes several.
    private static func resources(_ progress: Counter? = nil) -> Resources {
        Resources(threadCount: 2, chunkElementCount: 1 << 9) { progress?.add($0) }
    }

    @Test(arguments: bases) func isListedByItsName(_ family: String) throws {
        let model = try Self.model(family)
        #expect(model.names.count >= 4)
        #expect(model.encoded.tensors.map(\.name) == model.dense.tensors.map(\.name))
        #expect(model.encoded.tensors.map(\.shape) == model.dense.tensors.map(\.shape))
        let rows = LayerListing(model.encoded, matching: nil).rows.filter { model.names.contains($0.name) }
        #expect(rows.count == model.names.count && rows.allSatisfy { $0.typeName == "I8/row" && ($0.bitsPerElement ?? 0) < 10 })
        #expect(Set(model.encoded.tensors.flatMap(\.parts)).count == model.encoded.source.tensors.count)
    }

    @Test(arguments: bases) func hasTheStatisticsOfItsElements(_ family: String) throws {
        let model = try Self.model(family)
        let progress = Counter()
        let found = try Statistics(model.encoded, bins: .init(count: 7), resources: Self.resources(progress)).run().tensors
        let expected = try Statistics(model.dense, bins: .init(count: 7), resources: Self.resources()).run().tensors
        for (found, expected) in zip(found, expected) {
            let (a, b) = (try #require(found.reals), try #require(expected.reals))
            #expect(a.summary.minimum == b.summary.minimum && a.summary.maximum == b.summary.maximum, "\(found.row.name)")
            #expect(a.summary.zeroCount == b.summary.zeroCount && a.histogram?.counts.reduce(0, +) == b.histogram?.counts.reduce(0, +))
            let (mean, other) = (try #require(a.summary.mean), try #require(b.summary.mean))
            // Of an [in, out] matrix the elements are added in another order.
            #expect((mean - other).magnitude <= 1e-12 * (1 + other.magnitude))
        }
        #expect(progress.value == model.encoded.storedByteCount)
    }

    @Test(arguments: bases) func isShownInItsOwnOrientation(_ family: String) throws {
        let model = try Self.model(family)
        let selection = TensorSlice.Selection(rows: IndexRange(1, 6), columns: IndexRange(3, 8))
        for (encoded, dense) in zip(model.encoded.tensors, model.dense.tensors) where model.names.contains(encoded.name) {
            guard case .real(let found) = try TensorSlice(of: encoded, in: model.encoded, selection).values,
                case .real(let expected) = try TensorSlice(of: dense, in: model.dense, selection).values
            else {
                Issue.record("\(encoded.name) is not real")
                continue
            }
            #expect(found == expected && found.count == 25, "\(encoded.name)")
        }
    }

    @Test(arguments: bases) func isComparedByItsValues(_ family: String) throws {
        let model = try Self.model(family)
        for (first, second) in [(model.encoded, model.dense), (model.dense, model.encoded), (model.encoded, model.encoded)] {
            let report = try ModelDiff(first, second, resources: Self.resources()).run()
            #expect(report.rows.count == first.tensors.count && report.rows.allSatisfy(\.hasEqualValues))
            let isSame = first.path == second.path
            #expect(report.rows.allSatisfy { $0.isIdentical == (isSame || !model.names.contains($0.first.name)) })
        }
    }

    @Test(arguments: bases) func becomesTheSameQNF(_ family: String) throws {
        let model = try Self.model(family)
        for (name, checkpoint) in [("a", model.encoded), ("b", model.dense)] {
            let plan = try ConversionPlan(
                checkpoint, settings: nil, rules: ConversionRules(), castingTo: nil, toolVersion: "0.1.0", options: [])
            let progress = Counter()
            let path = model.folder.path("\(name).qnf")
            _ = try Conversion(plan, resources: Self.resources(progress), allowsNonfinite: false).run(path: path, replaces: false)
            #expect(progress.value == plan.inputByteCount)
            let report = try Roundtrip(
                source: checkpoint, model: Checkpoint.open(path), checksBits: true, resources: Self.resources()
            ).run()
            #expect(report.isBitExact && report.rows.contains(where: \.isQuantized))
        }
        let files = try ["a.qnf", "b.qnf"].map { try storedTensors(at: model.folder.path($0)) }
        #expect(files[0] == files[1])
    }

    @Test(arguments: bases, [nil, ScalarType.f16]) func keptItIsDecoded(_ family: String, _ type: ScalarType?) throws {
        let model = try Self.model(family)
        let keep = ConversionRules(rules: [.init(.keep, try NamePattern("."))])
        for (name, checkpoint) in [("a", model.encoded), ("b", model.dense)] {
            let plan = try ConversionPlan(checkpoint, settings: nil, rules: keep, castingTo: type, toolVersion: "0.1.0", options: [])
            _ = try Conversion(plan, resources: Self.resources(), allowsNonfinite: false)
                .run(path: model.folder.path("\(name).qnf"), replaces: false)
            let form = ExportPlan.Form.dense(type)
            _ = try Export(try ExportPlan(checkpoint, form: form), resources: Self.resources())
                .run(file: model.folder.path("\(name).safetensors"), replaces: false)
        }
        for ending in ["qnf", "safetensors"] {
            let files = try ["a", "b"].map { try storedTensors(at: model.folder.path("\($0).\(ending)")) }
            #expect(files[0] == files[1])
        }
    }

    @Test(arguments: bases) func isMergedAsItsTwinIs(_ family: String) throws {
        let model = try Self.model(family)
        let name = try #require(try FilePath.entries(of: Fixture.adapter("")).first { $0.hasPrefix(family) })
        for (name, checkpoint, adapter) in [("a", model.encoded, name), ("b", model.dense, name)] {
            let adapters = [WeightedAdapter(try Adapter.open(Fixture.adapter(adapter)), weight: 1)]
            let plan = try MergePlan(base: checkpoint, adapters: adapters, form: .export(.f32))
            _ = try Merge(plan, resources: Self.resources(), toolVersion: "0.1.0", options: [])
                .run(path: model.folder.path("\(name).safetensors"), isFolder: false, replaces: false)
        }
        let files = try ["a", "b"].map { try storedTensors(at: model.folder.path("\($0).safetensors")) }
        #expect(files[0] == files[1])
        #expect(throws: OperationError.self) {
            try MergePlan(
                base: model.encoded, adapters: [WeightedAdapter(try Adapter.open(Fixture.adapter(name)), weight: 1)], form: .sameFiles)
        }
    }

    @Test(arguments: bases) func runsAsItsTwinDoes(_ family: String) throws {
        let model = try Self.model(family)
        let logits = try [model.encoded, model.dense].map { checkpoint in
            try LoadedModel(checkpoint).exactSession().allLogits([1, 7, 3, 12, 5])
        }
        #expect(relativeDifference(logits[0], logits[1]) < 1e-6)
        let decoded = model.encoded.tensors.filter(\.isEncoded).reduce(0) { $0 + 2 * $1.elementCount }
        let estimate = MemoryEstimate(model.encoded, try model.encoded.describedModel(), positions: 8, isExact: true)
        #expect(estimate.weights > decoded && estimate.weights < model.encoded.storedByteCount + decoded)
    }
}

/// Adds up what is reported from any thread.
private final class Counter: Sendable {
    private let sum = Atomic(0)

    var value: Int { sum.load(ordering: .relaxed) }

    func add(_ count: Int) { sum.add(count, ordering: .relaxed) }
}
