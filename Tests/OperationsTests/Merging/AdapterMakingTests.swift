import AdapterAlgebra
import Adapters
import ByteIO
import Checkpoints
import Merging
import TensorCore
import TestSupport
import Testing

@testable import Streaming

/// Adapters made of adapters, and of two models.
struct AdapterMakingTests {
    private static let base = Fixture.checkpoint("llama/dense-f32")

    /// Largest difference between two models' weights, as a share of the largest change from the base.
    private static func distance(_ a: String, _ b: String) throws -> Float {
        let first = try storedWeights(a), second = try storedWeights(b), before = try storedWeights(base)
        var largest: Float = 0, change: Float = 0
        for (name, tensor) in first where name.contains("proj") {
            let other = try #require(second[name]), original = try #require(before[name])
            let (others, originals) = (other.floats, original.floats)
            for (index, value) in tensor.floats.enumerated() {
                largest = max(largest, abs(value - others[index]))
                change = max(change, abs(value - originals[index]))
            }
        }
        return largest / change
    }

    private static func combine(
        _ adapters: [(path: String, weight: Double)], _ method: AdapterCombination.Method, to path: String
    ) throws -> [AdapterCombination.Row] {
        let opened = try adapters.map { WeightedAdapter(try Adapter.open($0.path), weight: $0.weight) }
        return try AdapterCombination(opened, method: method).run(path: path, replaces: false, tool: "test")
    }

    @Test func aConcatenationIsTheSum() throws {
        let folder = try TemporaryFolder()
        let second = try RandomAdapter(
            [("model.layers.0.self_attn.q_proj", 64, 64), ("model.layers.1.mlp.up_proj", 112, 64)], rank: 3, seed: 4)
        let adapters = [(Fixture.adapter("llama-rank-alpha-pattern"), 0.5), (second.path, -2.0)]
        let rows = try Self.combine(adapters, .cat, to: folder.path("sum.lora"))
        #expect(rows.allSatisfy { $0.keptEnergy == 1 })
        #expect(Set(rows.map(\.rank)).count > 1)
        try merge(Self.base, adapters, to: folder.path("expected"))
        try merge(Self.base, folder.path("sum.lora"), to: folder.path("merged"))
        #expect(try Self.distance(folder.path("merged"), folder.path("expected")) < 1e-6)
    }

    @Test func singularValuesKeepTheSumWhereTheRankSuffices() throws {
        let folder = try TemporaryFolder()
        let adapters = [(Fixture.adapter("llama-plain"), 1.0), (Fixture.adapter("llama-rslora"), 0.25)]
        let whole = try Self.combine(adapters, .svd(rank: 16), to: folder.path("16.lora"))
        #expect(whole.allSatisfy { ($0.keptEnergy ?? 0) > 0.999_999 })
        try merge(Self.base, adapters, to: folder.path("expected"))
        try merge(Self.base, folder.path("16.lora"), to: folder.path("merged"))
        #expect(try Self.distance(folder.path("merged"), folder.path("expected")) < 1e-5)
        let cut = try Self.combine(adapters, .svd(rank: 3), to: folder.path("3.lora"))
        #expect(cut.allSatisfy { $0.rank == 3 && ($0.keptEnergy ?? 1) < 0.9 })
        // What is lost is what the report says.
        try merge(Self.base, folder.path("3.lora"), to: folder.path("cut"))
        let name = "model.layers.0.mlp.up_proj.weight"
        func delta(_ path: String) throws -> [Float] {
            let before = try #require(try storedWeights(Self.base)[name]).floats
            return zip(try #require(try storedWeights(folder.path(path))[name]).floats, before).map { $0 - $1 }
        }
        let wanted = try delta("expected"), found = try delta("cut")
        let lost = zip(wanted, found).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        let energy = wanted.reduce(0.0) { $0 + Double($1 * $1) }
        let row = try #require(cut.first { $0.module + ".weight" == name })
        #expect(abs(1 - lost / energy - (row.keptEnergy ?? 0)) < 1e-4)
    }

    @Test func linearAddsFactorsUp() throws {
        let folder = try TemporaryFolder()
        let path = Fixture.adapter("llama-plain")
        // Of one adapter with itself, factors add up to the sum: (sqrt 2 + sqrt 2)^2 = 8 halves ... of weights 1/4 each, one whole.
        let rows = try Self.combine([(path, 0.25), (path, 0.25)], .linear, to: folder.path("linear.lora"))
        #expect(rows.allSatisfy { $0.keptEnergy == nil && $0.rank == 8 })
        try merge(Self.base, path, to: folder.path("expected"))
        try merge(Self.base, folder.path("linear.lora"), to: folder.path("merged"))
        #expect(try Self.distance(folder.path("merged"), folder.path("expected")) < 1e-6)
        let other = try RandomAdapter([("model.layers.0.self_attn.q_proj", 64, 64)], rank: 2, seed: 1)
        #expect(throws: OperationError.self) { try Self.combine([(path, 1), (other.path, 1)], .linear, to: folder.path("x.lora")) }
    }

    @Test(arguments: [("llama-dora", "DoRA"), ("llama-modules-to-save", "a replaced parameter")])
    func combinesNothingButFactors(_ name: String, _ what: String) throws {
        let adapter = WeightedAdapter(try Adapter.open(Fixture.adapter(name)))
        do {
            _ = try AdapterCombination([adapter], method: .cat)
            Issue.record("\(name) was combined")
        } catch let error as OperationError {
            #expect(error.message.contains("has \(what) at '"))
            #expect(error.hint == "merge the adapters into a base one after the other")
        }
    }

    @Test(arguments: ["llama/dense-f32", "gpt2/dense-f32", "gpt2/nf4-f32"]) func extractingLeadsBackToTheAdapter(_ kind: String) throws {
        let folder = try TemporaryFolder()
        let base = Fixture.checkpoint(kind), adapter = Fixture.adapter(kind.hasPrefix("gpt2") ? "gpt2-plain" : "llama-plain")
        try merge(base, [(adapter, 1)], to: folder.path("tuned"), form: .export(.f32))
        let resources = Resources(threadCount: 2, chunkElementCount: 1 << 19)
        let extraction = try AdapterExtraction(
            base: Checkpoint.open(base), tuned: Checkpoint.open(folder.path("tuned")), rank: 8, resources: resources)
        let rows = try extraction.run(path: folder.path("out.lora"), replaces: false, tool: "test")
        #expect(extraction.leftOut.isEmpty)
        #expect(rows.allSatisfy { $0.keptEnergy > 0.9999 && $0.rank == 8 && ($0.deltaRatio ?? 0) > 0.1 })
        try merge(base, [(folder.path("out.lora"), 1)], to: folder.path("again"), form: .export(.f32))
        let tuned = try storedWeights(folder.path("tuned"))
        for (name, tensor) in try storedWeights(folder.path("again")) {
            let expected = try #require(tuned[name])
            #expect(zip(tensor.floats, expected.floats).allSatisfy { abs($0 - $1) < 1e-5 }, "\(name)")
        }
    }

    /// Norms and an embedding that differ are in the adapter, whole or as factors: the sum is the tuned model.
    @Test(arguments: ["llama-modules-to-save", "llama-embedding", "gpt2-bias-all"])
    func extractsWhatIsNoLayer(_ name: String) throws {
        let folder = try TemporaryFolder()
        let base = name.hasPrefix("gpt2") ? Fixture.checkpoint("gpt2/dense-f32") : Self.base
        try merge(base, Fixture.adapter(name), to: folder.path("tuned"))
        let resources = Resources(threadCount: 2, chunkElementCount: 1 << 19)
        let extraction = try AdapterExtraction(
            base: Checkpoint.open(base), tuned: Checkpoint.open(folder.path("tuned")), rank: 64, resources: resources)
        #expect(extraction.leftOut.isEmpty)
        let rows = try extraction.run(path: folder.path("out.lora"), replaces: false, tool: "test")
        #expect(rows.contains { $0.rank == nil } == (name != "llama-embedding") && rows.allSatisfy { $0.keptEnergy > 0.9999 })
        try merge(base, folder.path("out.lora"), to: folder.path("again"))
        let tuned = try storedWeights(folder.path("tuned")), again = try storedWeights(folder.path("again"))
        #expect(Set(tuned.keys) == Set(again.keys))
        for (name, tensor) in again {
            let expected = try #require(tuned[name])
            #expect(zip(tensor.floats, expected.floats).allSatisfy { abs($0 - $1) < 1e-4 }, "\(name)")
        }
    }

    @Test func extractingSaysWhatHasNoPlaceInAnAdapter() throws {
        let folder = try TemporaryFolder()
        func model(_ name: String, _ tensors: [StoredTensor]) throws -> Checkpoint {
            try folder.write(tensors.safetensors(), to: "\(name).safetensors")
            return try Checkpoint.open(folder.path("\(name).safetensors"))
        }
        let linear = StoredTensor("a.q_proj.weight", [2, 2], [1, 2, 3, 4]), norm = StoredTensor("a.norm.weight", [2], [1, 1])
        let base = try model("base", [linear, norm, StoredTensor("a.sinks", [2], [0, 0])])
        let tuned = try model(
            "tuned", [linear, norm, StoredTensor("a.sinks", [2], [0, 1]), StoredTensor("a.q_proj.bias", [2], [1, 1])])
        let resources = Resources(threadCount: 1, chunkElementCount: 1 << 19)
        let extraction = try AdapterExtraction(base: base, tuned: tuned, rank: 2, resources: resources)
        #expect(extraction.leftOut.map(\.name) == ["a.q_proj.bias", "a.sinks"])
        #expect(extraction.leftOut.map(\.reason) == ["\(base.path) has no such tensor", "it is no weight and no bias of a module"])
        #expect(throws: OperationError("no tensor differs between \(base.path) and \(base.path)")) {
            try AdapterExtraction(base: base, tuned: base, rank: 2, resources: resources)
        }
    }
}
