import Architectures
import Checkpoints
import ModelLoading
import Parallelism
import TestSupport
import Testing

@testable import Records
@testable import Training

/// Loss and gradients of models with experts, beside those of transformers and PyTorch.
@Suite struct MixtureGradientTests {
    @Test(
        "has PyTorch's loss and gradients",
        arguments: ["mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "granitemoe", "granitemoehybrid", "gpt_oss", "llama4"], [false, true])
    func gradients(name: String, recomputes: Bool) throws {
        let path = Fixture.mixture(name)
        let reference = try storedTensors(at: path + "/reference.safetensors")
        let model = try Self.model(path, tuning: .full, recomputes: recomputes)
        let loss = try Self.accumulate(model, reference)
        let expected = Double(try #require(reference["loss"]?.floats.first))
        #expect(abs(loss - expected) <= 1e-5 * expected)
        var compared = 0
        for slot in model.parameters.slots.indices {
            let name = model.parameters.slots[slot].name
            let wanted = try #require(reference["grad." + name]).floats
            let actual = Array(UnsafeBufferPointer(start: model.parameters.gradient(slot), count: wanted.count))
            let error = Self.norm(zip(actual, wanted).map(-)), size = Self.norm(wanted)
            #expect(error <= 1e-5 * max(size, 1e-3), "gradient of \(name): off by \(error) of \(size)")
            compared += 1
        }
        #expect(compared == reference.keys.count { $0.hasPrefix("grad.") })
    }

    /// With half of the loss of the routers added.
    @Test("has transformers' loss of routers and its gradients", arguments: ["mixtral", "qwen2_moe", "qwen3_moe"], [false, true])
    func routerLoss(name: String, recomputes: Bool) throws {
        let path = Fixture.mixture(name), table = try Fixture.table("mixtures/router-loss.tsv").filter { $0[0] == name }
        let model = try Self.model(path, tuning: .full, recomputes: recomputes)
        let batch = try Self.batch(storedTensors(at: path + "/reference.safetensors"))
        let loss = try model.accumulate(
            batch, lossWeight: 1 / Double(batch.learnedCount), routerWeight: 0.5, seed: 1, batchNumber: 0)
        let expected = try #require(table.first { $0[1] == "-" }.flatMap { Double($0[2]) })
        #expect(abs(try #require(loss.routerLoss) - expected) <= 1e-6 * expected)
        for (index, slot) in model.parameters.slots.enumerated() {
            let wanted = try #require(table.first { $0[1] == slot.name }).dropFirst(2).compactMap { Double($0) }
            let actual = Array(UnsafeBufferPointer(start: model.parameters.gradient(index), count: slot.count))
            let size = max(wanted[0], 1e-3)
            #expect(abs(Self.norm(actual) - wanted[0]) <= 1e-5 * size, "\(slot.name)")
            let places = [0, slot.count / 3, 2 * slot.count / 3, slot.count - 1]
            for (place, value) in zip(places, wanted.dropFirst()) {
                #expect(abs(Double(actual[place]) - value) <= 1e-5 * size, "element \(place) of \(slot.name)")
            }
        }
        #expect(table.count == model.parameters.slots.count + 1)
    }

    @Test("leaves experts alone unless they are asked for")
    func expertsAreNotTunedByDefault() throws {
        let tuning = Tuning.lowRank(LowRankSettings(rank: 2, alpha: 4), seed: 3)
        let model = try Self.model(Fixture.mixture("qwen2_moe"), tuning: tuning, recomputes: false)
        #expect(model.tunedModules.contains("model.layers.1.mlp.shared_expert.up_proj"))
        #expect(model.tunedModules.contains("model.layers.0.mlp.up_proj"))
        #expect(!model.tunedModules.contains { $0.contains(".experts.") || $0.hasSuffix(".gate") || $0.hasSuffix("shared_expert_gate") })
    }

    private static func model(_ path: String, tuning: Tuning, recomputes: Bool) throws -> TrainableModel {
        let loaded = try LoadedModel(Checkpoint.open(path))
        let network = try NetworkBuilder.build(loaded.configuration, loaded.weights, tuning: tuning)
        return try TrainableModel(
            network, positionLimit: 20, longestSample: 20, recomputes: recomputes,
            resources: ComputeResources(pool: WorkerPool(threadCount: 2)))
    }

    /// The mean loss of the reference's ids.
    private static func accumulate(_ model: TrainableModel, _ reference: [String: StoredTensor]) throws -> Double {
        let batch = try batch(reference)
        let loss = try model.accumulate(batch, lossWeight: 1 / Double(batch.learnedCount), seed: 1, batchNumber: 0)
        #expect(loss.routerLoss == nil)
        return loss.sum / Double(loss.count)
    }

    private static func batch(_ reference: [String: StoredTensor]) throws -> Batch {
        let ids = try #require(reference["ids"]).bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / 8).map { Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
        }
        return Batch([Sample(tokens: ids, isLearned: ids.map { _ in true })])
    }

    private static func norm(_ values: [Float]) -> Double { values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }
}
