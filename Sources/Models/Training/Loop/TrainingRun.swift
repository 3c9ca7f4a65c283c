package import ByteIO
package import Records

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
        /// Evaluations without a lower loss after which the run ends; nil for all of its steps.
        package let patience: Int?

        package init(
            stepCount: Int, evaluationInterval: Int?, checkpointInterval: Int?, keptCheckpoints: Int, patience: Int? = nil
        ) {
            self.stepCount = stepCount
            self.evaluationInterval = evaluationInterval
            self.checkpointInterval = checkpointInterval
            self.keptCheckpoints = keptCheckpoints
            self.patience = patience
        }
    }

    package enum Event: Sendable {
        case stepped(Trainer.StepReport, epoch: Int)
        case evaluated(RunHistory.Evaluation)
        case saved(path: String)
    }

    package enum Ending: Equatable, Sendable {
        case finished
        /// Asked to stop; `resume` goes on from the checkpoint. There is none before the first step.
        case stopped(checkpoint: String?)
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
    /// Where the best parameters are kept; nil where those of the last step are wanted.
    package let best: BestParameters?
    /// The newest checkpoint of this run, and the steps taken before it.
    package private(set) var saved: (step: Int, path: String)?

    /// - Parameters:
    ///   - samples: those the schedule counts.
    ///   - validation: batches whose losses are watched; may be empty, but not of a run that keeps the best or has patience.
    package init(
        _ trainer: Trainer, schedule: BatchSchedule, samples: [Sample], validation: [Batch], plan: Plan, folder: CheckpointFolder,
        identity: RunIdentity, best: BestParameters? = nil
    ) {
        precondition(!validation.isEmpty || (best == nil && plan.patience == nil), "what is best is told by validation")
        self.trainer = trainer
        self.schedule = schedule
        self.samples = samples
        self.validation = validation
        self.plan = plan
        self.folder = folder
        self.identity = identity
        self.best = best
    }

    /// Goes on from the newest checkpoint.
    ///
    /// - Throws: where there is none, or it belongs to another run.
    package func resume() throws(FileError) {
        guard let newest = try folder.checkpoints().last else {
            throw FileError(folder.path, "there is no checkpoint to go on from", hint: "start the run without `resume`")
        }
        (stepCount, history) = try TrainingCheckpoint.read(
            newest.path, identity: identity, parameters: trainer.model.parameters, optimizer: trainer.optimizer, best: best)
        schedule.skip(stepCount)
        saved = (stepCount, newest.path)
    }

    /// Whether the validation loss has not fallen for as many evaluations as the plan allows. History alone decides it, so that a
    /// run that goes on after an interruption ends where it would have ended.
    package var hasLostPatience: Bool { plan.patience.map { history.evaluationsSinceBest >= $0 } ?? false }

    /// Makes the parameters those of the evaluation with the lowest loss, where they are kept: after the last step.
    package func restoreBest() { best?.restore(trainer.model.parameters) }

    /// Takes the steps that are left. What is due after a step and was not done before an interruption is done first.
    ///
    /// - Parameters:
    ///   - isStopRequested: asked after every step, and between the batches of an evaluation.
    ///   - observe: is told of everything, in order.
    /// - Throws: `TrainingError` where numbers are no longer finite: the last checkpoint is then the last good state.
    package func run(isStopRequested: () -> Bool, observe: (Event) throws -> Void) throws -> Ending {
        while true {
            if isEvaluationDue { try evaluate(isStopRequested, observe) }
            if stepCount >= plan.stepCount || hasLostPatience {
                try checkParameters()
                return .finished
            }
            if isStopRequested() {
                if stepCount > 0, saved?.step != stepCount { try save(observe) }
                return .stopped(checkpoint: saved?.path)
            }
            if isCheckpointDue { try save(observe) }
            let step = schedule.next()
            let report = try take(step)
            history.losses.append(report.loss)
            stepCount += 1
            try observe(.stepped(report, epoch: step.epoch))
        }
    }

    /// Writes a checkpoint of this moment, for when what comes after the last step has failed.
    ///
    /// - Returns: its path.
    package func save() throws -> String {
        try save { _ in }
        return folder.path(step: stepCount)
    }

    /// The mean loss of all predictions that count; nil where there are none.
    package func meanLoss(_ batches: [Batch]) throws -> Double? { try meanLoss(batches) { false } }

    private func meanLoss(_ batches: [Batch], isStopRequested: () -> Bool) throws -> Double? {
        var sum = 0.0
        var count = 0
        for batch in batches {
            if isStopRequested() { return nil }
            let loss = try trainer.model.evaluate(batch)
            guard loss.sum.isFinite else {
                throw TrainingError.nonfiniteEvaluation(stepCount: stepCount, layer: trainer.model.firstNonfiniteLayer(batch))
            }
            sum += loss.sum
            count += loss.count
        }
        return count > 0 ? sum / Double(count) : nil
    }

    private var isEvaluationDue: Bool {
        if history.evaluations.last?.step == stepCount { return false }
        return stepCount == 0 || stepCount == plan.stepCount || plan.evaluationInterval.map { stepCount % $0 == 0 } ?? false
    }

    private var isCheckpointDue: Bool {
        if stepCount == 0 || saved?.step == stepCount { return false }
        return plan.checkpointInterval.map { stepCount % $0 == 0 } ?? false
    }

    private func checkParameters() throws(TrainingError) {
        if let name = trainer.model.parameters.firstNonfiniteValue {
            throw TrainingError.nonfiniteParameter(stepCount: stepCount, tensor: name)
        }
    }

    private func take(_ step: BatchSchedule.Step) throws -> Trainer.StepReport {
        do {
            return try trainer.step(stepCount, step.batches.map { batch in Batch(batch.map { samples[$0] }) })
        } catch TrainingError.nonfiniteLoss(let number, let batch, let layer, _) {
            throw TrainingError.nonfiniteLoss(step: number, batch: batch, layer: layer, samples: step.batches[batch])
        }
    }

    private func evaluate(_ isStopRequested: () -> Bool, _ observe: (Event) throws -> Void) throws {
        guard let loss = try meanLoss(validation, isStopRequested: isStopRequested) else { return }
        let evaluation = RunHistory.Evaluation(step: stepCount, loss: loss)
        history.evaluations.append(evaluation)
        if history.best == evaluation { best?.keep(trainer.model.parameters) }
        try observe(.evaluated(evaluation))
    }

    private func save(_ observe: (Event) throws -> Void) throws {
        try checkParameters()
        let path = folder.path(step: stepCount)
        try folder.create()
        do throws(FileError) {
            try TrainingCheckpoint.write(
                to: path, step: stepCount, identity: identity, parameters: trainer.model.parameters, optimizer: trainer.optimizer,
                history: history, best: best)
        } catch {
            let last = saved.map { "the checkpoint after step \($0.step) is still good, and `resume` goes on from it" }
            let hint = [error.hint, last].compactMap(\.self).joined(separator: "; ")
            throw FileError(error.path, at: error.place, error.message, hint: hint.isEmpty ? nil : hint)
        }
        saved = (stepCount, path)
        try folder.removeOld(keeping: plan.keptCheckpoints, step: stepCount)
        try observe(.saved(path: path))
    }
}
