import ByteIO
import JSONText
import Parallelism
import TestSupport
import Testing

@testable import Records
@testable import Training

/// What a run does after each step, whether it is interrupted or not.
@Suite struct TrainingRunTests {
    private let folder: TemporaryFolder
    private let network: Network

    private init(folder: TemporaryFolder, network: Network) {
        self.folder = folder
        self.network = network
    }

    init() throws {
        folder = try TemporaryFolder()
        network = try ReferenceTraceTests.cases[0].network()
    }

    private func run(
        steps: Int, evaluatedEvery interval: Int = 2, rate: Double = 1e-3, keepsBest: Bool = false, patience: Int? = nil
    ) throws -> TrainingRun {
        let samples = (0..<6).map { Sample(tokens: [1, 2, 3, 4 + $0], isLearned: [false, false, true, true]) }
        let pool = WorkerPool(threadCount: 1)
        let model = try TrainableModel(
            network, positionLimit: 9, longestSample: 3, recomputes: false, resources: ComputeResources(pool: pool))
        let optimizer = try Optimizer(OptimizerSettings(), parameterCount: network.parameters.values.count, folder: folder.path)
        let trainer = Trainer(
            model, optimizer: optimizer, learningRate: LearningRate(peak: rate, schedule: .constant, warmupCount: 0, stepCount: steps),
            clip: 1, seed: 1, pool: pool)
        let schedule = BatchSchedule(lengths: samples.map { _ in 3 }, limit: .samples(3), accumulation: 1, seed: 1)
        return TrainingRun(
            trainer, schedule: schedule, samples: samples, validation: [Batch(samples[..<2])],
            plan: .init(stepCount: steps, evaluationInterval: interval, checkpointInterval: nil, keptCheckpoints: 2, patience: patience),
            folder: CheckpointFolder(path: folder.path("run")), identity: RunIdentity(JSONObject(["seed": .integer(1)])),
            best: keepsBest ? try BestParameters(of: network.parameters) : nil)
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

    // MARK: the best

    private var values: [UInt32] { network.parameters.values.buffer.map(\.bitPattern) }

    /// A rate so high that the loss falls for a while and then rises.
    private static let roughRate = 0.1

    @Test func keepsTheParametersOfTheLowestLoss() throws {
        let run = try run(steps: 8, evaluatedEvery: 1, rate: Self.roughRate, keepsBest: true)
        var states: [[UInt32]] = []
        let ending = try run.run(isStopRequested: { false }) { event in
            if case .evaluated = event { states.append(values) }
        }
        #expect(ending == .finished)
        let best = try #require(run.history.best)
        #expect((1..<8).contains(best.step), "the lowest of \(run.history.evaluations.map(\.loss)) is at an end")
        #expect(run.history.evaluations.allSatisfy { $0.loss >= best.loss })
        let last = values
        run.restoreBest()
        let isBest = values == states[best.step], isLast = values == last
        #expect(isBest && !isLast)
        let loss = try run.meanLoss([Batch((0..<2).map { Sample(tokens: [1, 2, 3, 4 + $0], isLearned: [false, false, true, true]) })])
        #expect(loss == best.loss)
    }

    /// As the patience of transformers' `EarlyStoppingCallback`: so many evaluations in a row that are not lower than the lowest.
    @Test func endsWhenPatienceEnds() throws {
        let whole = try run(steps: 12, evaluatedEvery: 1, rate: Self.roughRate)
        _ = try whole.run(isStopRequested: { false }) { _ in }
        let losses = whole.history.evaluations.map(\.loss)
        for patience in 1...3 {
            var lowest = Double.infinity, count = 0
            let place = losses.firstIndex { loss in
                count = loss < lowest ? 0 : count + 1
                lowest = min(lowest, loss)
                return count == patience
            }
            let fresh = try TrainingRunTests()
            let run = try fresh.run(steps: 12, evaluatedEvery: 1, rate: Self.roughRate, patience: patience)
            #expect(try run.run(isStopRequested: { false }) { _ in } == .finished)
            let expected = try #require(place)
            #expect(run.stepCount == expected && run.hasLostPatience)
            #expect(run.history.evaluations.map(\.loss) == Array(losses.prefix(run.stepCount + 1)))
        }
    }

    /// Stopped after each of its steps in turn, and in each of its evaluations: what comes out is what would have.
    @Test func goesOnWithTheBestAfterEveryStop() throws {
        let whole = try run(steps: 12, evaluatedEvery: 2, rate: Self.roughRate, keepsBest: true, patience: 2)
        #expect(try whole.run(isStopRequested: { false }) { _ in } == .finished)
        #expect(whole.hasLostPatience && whole.stepCount < 12)
        whole.restoreBest()
        let expected = values
        for stop in 1...whole.stepCount {
            for stopsBeforeEvaluation in [false, true] {
                let first = try TrainingRunTests()
                func make(_ tests: TrainingRunTests) throws -> TrainingRun {
                    try tests.run(steps: 12, evaluatedEvery: 2, rate: Self.roughRate, keepsBest: true, patience: 2)
                }
                let part = try make(first)
                var isStopping = false
                let ending = try part.run(isStopRequested: { isStopping }) { event in
                    switch event {
                    case .stepped(let report, _) where stopsBeforeEvaluation || stop % 2 == 1: isStopping = report.step + 1 == stop
                    case .evaluated(let evaluation): isStopping = isStopping || evaluation.step == stop
                    default: break
                    }
                }
                // A stop in the evaluation that ends patience comes too late.
                if ending == .finished {
                    #expect(stop == whole.stepCount && !stopsBeforeEvaluation)
                    continue
                }
                // Another network: what the first one's parameters were is known from its checkpoint alone.
                let second = TrainingRunTests(folder: first.folder, network: try ReferenceTraceTests.cases[0].network())
                let resumed = try make(second)
                try resumed.resume()
                #expect(try resumed.run(isStopRequested: { false }) { _ in } == .finished)
                #expect(resumed.history == whole.history)
                resumed.restoreBest()
                let isEqual = second.values == expected
                #expect(isEqual, "stopped after step \(stop)")
            }
        }
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
