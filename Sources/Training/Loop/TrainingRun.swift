package import ByteIO

/// A run from its first step, or one that was interrupted, to its end: steps, evaluations and checkpoints in their turn.
package final class TrainingRun {
    /// How long, and how often what.
    package struct Plan: Sendable {
        package let stepCount: Int
        /// Steps between evaluations; nil for none but at the end.
        package let evaluationInterval: Int?
        /// Steps between checkpoints; nil for none but when the run is interrupted.
        package let checkpointInterval: Int?
        package let keptCheckpoints: Int

        package init(stepCount: Int, evaluationInterval: Int?, checkpointInterval: Int?, keptCheckpoints: Int) {
            self.stepCount = stepCount
            self.evaluationInterval = evaluationInterval
            self.checkpointInterval = checkpointInterval
            self.keptCheckpoints = keptCheckpoints
        }
    }

    package enum Event: Sendable {
        case stepped(Trainer.StepReport, epoch: Int)
        case evaluated(RunHistory.Evaluation)
        case saved(path: String)
    }

    package enum Ending: Equatable, Sendable {
        case finished
        /// Asked to stop; `--resume` goes on from the checkpoint.
        case stopped(checkpoint: String)
    }

    package private(set) var history = RunHistory()
    /// Steps taken, those before an interruption included.
    package private(set) var stepCount = 0
    package let plan: Plan
    private let trainer: Trainer
    private var schedule: BatchSchedule
    private let samples: [Sample]
    private let validation: [Batch]
    private let folder: CheckpointFolder
    private let identity: RunIdentity

    /// - Parameters:
    ///   - samples: those the schedule counts.
    ///   - validation: batches whose losses are watched; may be empty.
    package init(
        _ trainer: Trainer, schedule: BatchSchedule, samples: [Sample], validation: [Batch], plan: Plan, folder: CheckpointFolder,
        identity: RunIdentity
    ) {
        self.trainer = trainer
        self.schedule = schedule
        self.samples = samples
        self.validation = validation
        self.plan = plan
        self.folder = folder
        self.identity = identity
    }

    /// Goes on from the newest checkpoint.
    ///
    /// - Throws: where there is none, or it belongs to another run.
    package func resume() throws(FileError) {
        guard let newest = try folder.checkpoints().last else {
            throw FileError(folder.path, "there is no checkpoint to go on from", hint: "start the run without --resume")
        }
        (stepCount, history) = try TrainingCheckpoint.read(
            newest.path, identity: identity, parameters: trainer.model.parameters, optimizer: trainer.optimizer)
        schedule.skip(stepCount)
    }

    /// Takes the steps that are left.
    ///
    /// - Parameters:
    ///   - isStopRequested: asked after every step.
    ///   - observe: is told of everything, in order.
    /// - Throws: `TrainingError` where losses are no longer finite: the last checkpoint is then the last good state.
    package func run(isStopRequested: () -> Bool, observe: (Event) throws -> Void) throws -> Ending {
        if stepCount == 0, history.evaluations.isEmpty { try evaluate(observe) }
        while stepCount < plan.stepCount {
            let step = schedule.next()
            let report = try take(step)
            history.losses.append(report.loss)
            stepCount += 1
            try observe(.stepped(report, epoch: step.epoch))
            let isLast = stepCount == plan.stepCount
            if isLast || plan.evaluationInterval.map({ stepCount % $0 == 0 }) ?? false { try evaluate(observe) }
            if isStopRequested(), !isLast { return .stopped(checkpoint: try save(observe)) }
            if !isLast, plan.checkpointInterval.map({ stepCount % $0 == 0 }) ?? false { _ = try save(observe) }
        }
        return .finished
    }

    /// The mean loss of all predictions that count; nil where there are none.
    package func meanLoss(_ batches: [Batch]) throws -> Double? {
        var sum = 0.0
        var count = 0
        for batch in batches {
            let loss = try trainer.model.evaluate(batch)
            sum += loss.sum
            count += loss.count
        }
        return count > 0 ? sum / Double(count) : nil
    }

    private func take(_ step: BatchSchedule.Step) throws -> Trainer.StepReport {
        do {
            return try trainer.step(stepCount, step.batches.map { batch in Batch(batch.map { samples[$0] }) })
        } catch TrainingError.nonfiniteLoss(let number, let batch, let layer, _) {
            throw TrainingError.nonfiniteLoss(step: number, batch: batch, layer: layer, samples: step.batches[batch])
        }
    }

    private func evaluate(_ observe: (Event) throws -> Void) throws {
        guard let loss = try meanLoss(validation) else { return }
        let evaluation = RunHistory.Evaluation(step: stepCount, loss: loss)
        history.evaluations.append(evaluation)
        try observe(.evaluated(evaluation))
    }

    private func save(_ observe: (Event) throws -> Void) throws -> String {
        let path = folder.path(step: stepCount)
        try folder.create()
        try TrainingCheckpoint.write(
            to: path, step: stepCount, identity: identity, parameters: trainer.model.parameters, optimizer: trainer.optimizer,
            history: history)
        try folder.removeOld(keeping: plan.keptCheckpoints)
        try observe(.saved(path: path))
        return path
    }
}
