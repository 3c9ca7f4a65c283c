import ByteIO
import CheckpointTestSupport
import JSONText
import Parallelism
import Testing

@testable import Training

/// What a run does after each step, whether it is interrupted or not.
@Suite struct TrainingRunTests {
    private let folder: TemporaryFolder
    private let network: Network

    init() throws {
        folder = try TemporaryFolder()
        network = try ReferenceTraceTests.cases[0].network()
    }

    private func run(steps: Int, evaluatedEvery interval: Int = 2) throws -> TrainingRun {
        let samples = (0..<6).map { Sample(tokens: [1, 2, 3, 4 + $0], isLearned: [false, false, true, true]) }
        let pool = WorkerPool(threadCount: 1)
        let model = try TrainableModel(
            network, positionLimit: 9, longestSample: 3, recomputes: false, resources: ComputeResources(pool: pool))
        let optimizer = try Optimizer(OptimizerSettings(), parameterCount: network.parameters.values.count, folder: folder.path)
        let trainer = Trainer(
            model, optimizer: optimizer, learningRate: LearningRate(peak: 1e-3, schedule: .constant, warmupCount: 0, stepCount: steps),
            clip: 1, seed: 1, pool: pool)
        let schedule = BatchSchedule(lengths: samples.map { _ in 3 }, limit: .samples(3), accumulation: 1, seed: 1)
        return TrainingRun(
            trainer, schedule: schedule, samples: samples, validation: [Batch(samples[..<2])],
            plan: .init(stepCount: steps, evaluationInterval: interval, checkpointInterval: nil, keptCheckpoints: 2),
            folder: CheckpointFolder(path: folder.path("run")), identity: RunIdentity(JSONObject(["seed": .integer(1)])))
    }

    /// Stopped after its second step, before that step's evaluation, which the resumed run makes up for.
    @Test func evaluatesWhatAStopLeftOut() throws {
        let whole = try run(steps: 4)
        #expect(try whole.run(isStopRequested: { false }) { _ in } == .finished)
        #expect(whole.history.evaluations.map(\.step) == [0, 2, 4])
        let fresh = try TrainingRunTests()
        let part = try fresh.run(steps: 4)
        var isStopping = false
        let ending = try part.run(isStopRequested: { isStopping }) { event in
            if case .stepped(let report, _) = event { isStopping = report.step == 1 }
        }
        #expect(ending == .stopped(checkpoint: fresh.folder.path("run/step-00000002.qtrain")))
        #expect(part.history.evaluations.map(\.step) == [0])
        let resumed = try fresh.run(steps: 4)
        try resumed.resume()
        #expect(try resumed.run(isStopRequested: { false }) { _ in } == .finished)
        #expect(resumed.history == whole.history)
    }

    @Test func savesNothingBeforeTheFirstStep() throws {
        let stopped = try run(steps: 4)
        #expect(try stopped.run(isStopRequested: { true }) { _ in } == .stopped(checkpoint: nil))
        #expect(try folder.names() == [])
    }

    @Test("keeps no state that is not finite", arguments: [false, true])
    func refusesNonfiniteParameters(isStopped: Bool) throws {
        let run = try run(steps: isStopped ? 4 : 1, evaluatedEvery: 100)
        let name = network.parameters.slots[3].name
        let error = #expect(throws: TrainingError.self) {
            try run.run(isStopRequested: { isStopped && run.stepCount == 1 }) { event in
                // Behind the evaluation of the last step, where there is one.
                if case .stepped = event, isStopped { network.parameters.value(3)[0] = .infinity }
                if case .evaluated(let evaluation) = event, evaluation.step == 1 { network.parameters.value(3)[0] = .infinity }
            }
        }
        #expect(error == .nonfiniteParameter(stepCount: 1, tensor: name))
        #expect(error?.description == "after step 1, '\(name)' is not finite")
        #expect(try folder.names() == [])
    }

    @Test func stopsAtAnEvaluationThatIsNotFinite() throws {
        let run = try run(steps: 4)
        let second = try #require(network.parameters.slots.firstIndex { $0.name.contains("layers.1.mlp.down_proj.lora_A") })
        let error = #expect(throws: TrainingError.self) {
            try run.run(isStopRequested: { false }) { event in
                guard case .stepped(let report, _) = event, report.step == 1 else { return }
                network.parameters.value(second)[0] = .nan
                network.parameters.value(second + 1)[0] = 1
            }
        }
        #expect(error == .nonfiniteEvaluation(stepCount: 2, layer: 2))
    }
}
