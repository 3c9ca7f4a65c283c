import Checkpoints
import ModelLoading
import Parallelism
import TestSupport
import Testing

@testable import Records
@testable import Training

/// 20 steps beside PyTorch: losses, gradients of the first step, and what the last one leaves.
@Suite struct ReferenceTraceTests {
    struct Case: CustomStringConvertible, Sendable {
        let trace: String
        let checkpoint: String
        let isFull: Bool
        var recomputes = false

        var description: String { trace + (recomputes ? ", recomputed" : "") }

        func network() throws -> Network {
            let model = try LoadedModel(Checkpoint.open(Fixture.path(checkpoint)))
            return try NetworkBuilder.build(
                model.configuration, model.weights, tuning: isFull ? .full : .lowRank(LowRankSettings(rank: 8, alpha: 16), seed: 1))
        }
    }

    static let cases =
        ["llama", "gpt2"].flatMap { family in
            ["zero", "random", "masked"].map {
                Case(trace: "lora-\(family)-\($0)", checkpoint: "checkpoints/\(family)/nf4-f32", isFull: false, recomputes: $0 == "random")
            }
        } + [
            Case(trace: "lora-phi3-random", checkpoint: "families/phi3", isFull: false),
            Case(trace: "lora-gemma3-random", checkpoint: "transformer/gemma3", isFull: false),
            Case(trace: "lora-gpt_neox-random", checkpoint: "families/gpt_neox", isFull: false, recomputes: true),
            Case(trace: "full-gpt2", checkpoint: "checkpoints/gpt2/dense-f32", isFull: true),
            Case(trace: "full-gpt2", checkpoint: "checkpoints/gpt2/dense-f32", isFull: true, recomputes: true),
        ]

    @Test("follows PyTorch", arguments: cases)
    func followsPyTorch(_ traced: Case) throws {
        let fixture = try TrainingFixture(traced.trace)
        let network = try traced.network()
        let parameters = network.parameters
        // Tuning in full begins with the checkpoint itself.
        for slot in parameters.slots.indices where !traced.isFull {
            let initial = try #require(try fixture.floats("init." + parameters.slots[slot].name))
            parameters.value(slot).update(from: initial, count: initial.count)
        }
        let batch = try fixture.batch()
        let pool = WorkerPool(threadCount: 2)
        let model = try TrainableModel(
            network, positionLimit: batch.positionCount, longestSample: batch.longestSampleCount, recomputes: traced.recomputes,
            resources: ComputeResources(pool: pool))
        let optimizer = try Optimizer(
            OptimizerSettings(weightDecay: fixture.weightDecay), parameterCount: parameters.values.count, folder: "/tmp")
        let rate = LearningRate(
            peak: 1e-3, schedule: fixture.warmup > 0 ? .cosine : .constant, warmupCount: fixture.warmup, stepCount: fixture.losses.count)
        let trainer = Trainer(model, optimizer: optimizer, learningRate: rate, clip: fixture.clip, seed: 1, pool: pool)
        for step in fixture.losses.indices {
            let report = try trainer.step(step, [batch])
            #expect(abs(report.loss - fixture.losses[step]) <= 1e-4, "loss of step \(step)")
            #expect(abs(report.gradientNorm / fixture.norms[step] - 1) <= 1e-3, "norm of step \(step)")
            #expect(abs(report.learningRate - fixture.rates[step]) <= 1e-12, "rate of step \(step)")
            if step == 0 { try compareGradients(parameters, fixture) }
        }
        for slot in parameters.slots.indices {
            let name = parameters.slots[slot].name
            var actual = parameters.array(slot), expected = try #require(try fixture.floats("final." + name))
            if name.hasSuffix("attn.c_attn.bias") {
                // What is added to all keys changes no probability: this gradient is nothing but rounding, which AdamW makes large.
                let keys = expected.count / 3..<expected.count * 2 / 3
                actual.removeSubrange(keys)
                expected.removeSubrange(keys)
            }
            let error = zip(actual, expected).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
            #expect(error <= 1e-4, "\(name) at the end")
        }
    }

    private func compareGradients(_ parameters: ParameterSet, _ fixture: TrainingFixture) throws {
        for slot in parameters.slots.indices {
            let name = parameters.slots[slot].name
            let expected = try #require(try fixture.floats("grad." + name))
            let actual = UnsafeBufferPointer(start: parameters.gradient(slot), count: expected.count)
            let error = zip(actual, expected).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
            let largest = expected.reduce(0) { max($0, abs($1)) }
            #expect(error <= 1e-5 * largest, "gradient of \(name): off by \(error) of \(largest)")
        }
    }

    @Test("gives the same bytes on any number of threads, and from recomputed activations")
    func isDeterministic() throws {
        for traced in [Self.cases[1], Self.cases[4]] {
            var results: [[UInt32]] = []
            for (threads, recomputes) in [(1, false), (2, false), (3, true)] {
                let network = try traced.network()
                let batch = try TrainingFixture(traced.trace).batch()
                let pool = WorkerPool(threadCount: threads)
                let model = try TrainableModel(
                    network, positionLimit: 100, longestSample: 20, recomputes: recomputes, resources: ComputeResources(pool: pool))
                let optimizer = try Optimizer(OptimizerSettings(), parameterCount: network.parameters.values.count, folder: "/tmp")
                let trainer = Trainer(
                    model, optimizer: optimizer,
                    learningRate: LearningRate(peak: 1e-2, schedule: .constant, warmupCount: 0, stepCount: 3), clip: 1, seed: 7,
                    pool: pool)
                for step in 0..<3 { _ = try trainer.step(step, [batch]) }
                results.append(network.parameters.values.buffer.map(\.bitPattern))
            }
            let areEqual = results.map { $0 == results[0] }
            #expect(areEqual == [true, true, true])
        }
    }

    @Test("names the layer where numbers stop being finite")
    func namesTheLayer() throws {
        let network = try Self.cases[1].network()
        let batch = try TrainingFixture(Self.cases[1].trace).batch()
        let pool = WorkerPool(threadCount: 2)
        let model = try TrainableModel(
            network, positionLimit: batch.positionCount, longestSample: batch.longestSampleCount, recomputes: false,
            resources: ComputeResources(pool: pool))
        let optimizer = try Optimizer(OptimizerSettings(), parameterCount: network.parameters.values.count, folder: "/tmp")
        let trainer = Trainer(
            model, optimizer: optimizer, learningRate: LearningRate(peak: 1, schedule: .constant, warmupCount: 0, stepCount: 1), clip: 1,
            seed: 1, pool: pool)
        let second = try #require(network.parameters.slots.firstIndex { $0.name.contains("layers.1.mlp.down_proj.lora_A") })
        network.parameters.value(second)[0] = .nan
        network.parameters.value(second + 1)[0] = 1
        #expect(throws: TrainingError.nonfiniteLoss(step: 0, batch: 0, layer: 2, samples: [])) { _ = try trainer.step(0, [batch]) }
    }
}
