import Checkpoints
import ModelLoading
import Parallelism
import TestSupport
import Testing

@testable import Records
@testable import Training

/// Loss and gradients of every dense family, beside those of transformers and PyTorch.
@Suite struct FamilyGradientTests {
    static let names = [
        "llama-yarn", "llama-dynamic", "phi3", "phi", "phi-norms", "smollm3", "granite", "granite4", "ministral3", "olmo", "olmo2", "olmo3",
        "exaone4", "glm", "glm4", "cohere", "cohere-biased", "cohere2", "stablelm", "stablelm-parallel", "stablelm-norms", "starcoder2",
        "seed_oss-biased",
        "arcee", "nemotron", "gpt_neox", "gpt_neox-sequential", "gptj", "opt", "opt-sums", "bloom", "bloom-normed", "falcon",
        "falcon-sequential",
        "falcon-groups", "falcon-groups-one-norm",
    ]

    @Test("has PyTorch's loss and gradients", arguments: names, [false, true])
    func gradients(name: String, recomputes: Bool) throws {
        let reference = try storedTensors(at: Fixture.family("\(name)/reference.safetensors"))
        let ids = try #require(reference["ids"]).bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / 8).map { Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
        }
        let loaded = try LoadedModel(Checkpoint.open(Fixture.family(name)))
        let network = try NetworkBuilder.build(loaded.configuration, loaded.weights, tuning: .full)
        let model = try TrainableModel(
            network, positionLimit: ids.count, longestSample: ids.count, recomputes: recomputes,
            resources: ComputeResources(pool: WorkerPool(threadCount: 2)))
        let batch = Batch([Sample(tokens: ids, isLearned: ids.map { _ in true })])
        let loss = try model.accumulate(batch, lossWeight: 1 / Double(batch.learnedCount), seed: 1, batchNumber: 0)
        let expected = Double(try #require(reference["loss"]?.floats.first))
        #expect(abs(loss.sum / Double(loss.count) - expected) <= 1e-5 * expected)
        let parameters = model.parameters
        func norm(_ values: some Sequence<Float>) -> Float { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        // What adds the same to all scores of a query has no gradient but what rounding leaves: biases of keys that do not turn.
        let largest = reference.filter { $0.key.hasPrefix("grad.") }.map { norm($0.value.floats) }.max() ?? 0
        for slot in parameters.slots.indices {
            let name = parameters.slots[slot].name
            let wanted = try #require(reference["grad." + name], "there is no gradient of \(name)").floats
            let actual = UnsafeBufferPointer(start: parameters.gradient(slot), count: wanted.count)
            let error = norm(zip(actual, wanted).map { $0 - $1 })
            #expect(error <= max(1e-5 * norm(wanted), 1e-7 * largest), "gradient of \(name)")
        }
        #expect(parameters.slots.count == reference.keys.count { $0.hasPrefix("grad.") })
    }
}
