import Checkpoints
import ModelLoading
import Parallelism
import TestSupport
import Testing

@testable import Records
@testable import Training

/// Loss and gradients of models in the ways that config.json offers, beside those of transformers and PyTorch.
@Suite struct ReferenceGradientTests {
    @Test(
        "has PyTorch's loss and gradients",
        arguments: ["gpt2-gelu", "gpt2-gelu-fast", "gpt2-relu", "gpt2-silu", "gemma", "gemma2", "gemma3"], [false, true])
    func gradients(variant: String, recomputes: Bool) throws {
        let path = Fixture.transformer(variant)
        let reference = try storedTensors(at: path + "/reference.safetensors")
        let ids = try #require(reference["ids"]).bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / 8).map { Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
        }
        let loaded = try LoadedModel(Checkpoint.open(path))
        let network = try NetworkBuilder.build(loaded.configuration, loaded.weights, tuning: .full)
        let model = try TrainableModel(
            network, positionLimit: ids.count, longestSample: ids.count, recomputes: recomputes,
            resources: ComputeResources(pool: WorkerPool(threadCount: 2)))
        let batch = Batch([Sample(tokens: ids, isLearned: ids.map { _ in true })])
        let loss = try model.accumulate(batch, lossWeight: 1 / Double(batch.learnedCount), seed: 1, batchNumber: 0)
        let expected = Double(try #require(reference["loss"]?.floats.first))
        #expect(abs(loss.sum / Double(loss.count) - expected) <= 1e-5 * expected)
        let parameters = model.parameters
        var compared = 0
        for slot in parameters.slots.indices {
            let name = parameters.slots[slot].name
            let wanted = try #require(reference["grad." + name]).floats
            let actual = UnsafeBufferPointer(start: parameters.gradient(slot), count: wanted.count)
            let error = zip(actual, wanted).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
            let largest = wanted.reduce(0) { max($0, abs($1)) }
            #expect(error <= 2e-5 * largest, "gradient of \(name): off by \(error) of \(largest)")
            compared += 1
        }
        #expect(compared == reference.keys.count { $0.hasPrefix("grad.") })
    }
}
