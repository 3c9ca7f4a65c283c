import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import ModelLoading
import Records
import ToolSupport
import Training

/// What a run came to.
struct TrainOutcome {
    let history: RunHistory
    let testLoss: Double?
    /// Positions of this process's steps.
    let tokenCount: Int
    let tokensPerSecond: Double
    /// The same for people.
    let speed: String
    /// From the start of the program to its first step.
    let startSeconds: Double
}

extension TrainSetup {
    /// Takes all steps and writes the output, with everything that people and files are told meanwhile.
    ///
    /// - Throws: also where the run was stopped. On a signal it does not return at all: the process ends by that signal,
    ///   once the steps that were taken are safe.
    func run(_ console: Console, _ measures: RunMeasures, into output: consuming RunOutput) throws -> TrainOutcome {
        let isResumed = options.files.resumes
        if isResumed { try run.resume() } else { try refuseOldCheckpoints() }
        showSample(console)
        if isResumed { console.note("going on after step \(run.stepCount) of \(run.plan.stepCount)") }
        try prepareCheckpoints()
        let replaces = isResumed || options.files.replaces
        let picture = try PlotOutput(path: options.files.plot, replaces: replaces, inputs: inputs)
        let log = try options.files.log.map {
            try AppendedFile(path: $0, continues: isResumed, replaces: replaces, inputs: inputs)
        }
        let progress = console.progress("training", total: run.plan.stepCount - run.stepCount, unit: .items("steps"))
        let watch = RunWatch(log: log, progress: progress, console: console)
        if isResumed { watch.writeLine(["resumed_after_step": .integer(run.stepCount)]) } else { logRecords(watch) }
        let stop = StopRequest()
        let hook = console.onTermination {
            console.note("stopping after this step; again to stop at once")
            stop.requestAndWait()
        }
        let startSeconds = measures.seconds
        do {
            let ending = try takeSteps(watch, stop, console)
            progress.finish()
            switch ending {
            case .success(.stopped(let path)):
                let failure = stopped(path, watch)
                guard stop.isRequested else { throw failure }
                console.note([failure.message, failure.hint].compactMap(\.self).joined(separator: "; "))
            case .failure(let error):
                guard run.best != nil, let best = run.history.best, best.step > 0 else { throw explained(error) }
                run.restoreBest()
                try output.write(self)
                let path = options.files.output
                throw explained(error, kept: "\(path) has the parameters after step \(best.step), whose validation loss was lowest")
            case .success(.finished):
                if run.hasLostPatience, run.stepCount < run.plan.stepCount { tellOfEarlyEnd(watch, console) }
                run.restoreBest()
                try write(output)
                if stop.isRequested { console.note("\(options.files.output) is written, after all \(run.stepCount) steps") }
            }
        } catch {
            progress.finish()
            // After a signal nobody else could tell: the process is gone before.
            if stop.isRequested { console.error(error) }
            stop.settle()
            hook.cancel()
            throw error
        }
        stop.settle()
        hook.cancel()
        try picture.write(title: "qtrain \(FilePath.name(of: loaded.checkpoint.path))", history: run.history)
        if let failure = watch.logFailure { throw failure }
        return TrainOutcome(
            history: run.history, testLoss: try run.meanLoss(test), tokenCount: watch.tokenCount, tokensPerSecond: watch.tokensPerSecond,
            speed: watch.speed, startSeconds: startSeconds)
    }

    /// All records that are cut or left out; people are told of the first few.
    private func logRecords(_ watch: RunWatch) {
        for (part, outcome) in outcomes where !outcome.truncated.isEmpty || !outcome.skipped.isEmpty {
            watch.writeLine([
                "split": .string(part.rawValue), "records": .integer(data.split.indices(part).count),
                "cut": .strings(outcome.truncated.map(data.place)),
                "left_out": .strings(outcome.skipped.map(data.place)),
            ])
        }
    }

    private func tellOfEarlyEnd(_ watch: RunWatch, _ console: Console) {
        guard let best = run.history.best else { return }
        console.note(
            "ends after step \(run.stepCount) of \(run.plan.stepCount): the validation loss was lowest after step \(best.step), "
                + "\(NumberText.fixed(best.loss, decimals: 4)), and not in the \(run.history.evaluationsSinceBest) evaluations since")
        watch.writeLine([
            "ended_early_after_step": .integer(run.stepCount), "best_step": .integer(best.step), "best_validation_loss": .double(best.loss),
        ])
    }

    /// How the steps ended, or why they could not go on.
    private func takeSteps(
        _ watch: RunWatch, _ stop: StopRequest, _ console: Console
    ) throws -> Result<TrainingRun.Ending, TrainingError> {
        let prompts = PromptWatch(setup: self, prompts: options.samplePrompts, watch: watch, console: console)
        do {
            if run.stepCount == 0 { try prompts.answer(afterStep: 0) }
            let ending = try run.run(isStopRequested: { stop.isRequested || watch.logFailure != nil }) { event in
                watch.observe(event)
                switch event {
                case .stepped(let report, _):
                    if report.step + 1 == run.plan.stepCount { try prompts.answer(afterStep: report.step + 1) }
                case .evaluated(let evaluation):
                    if evaluation.step > 0, evaluation.step < run.plan.stepCount { try prompts.answer(afterStep: evaluation.step) }
                case .saved: break
                }
            }
            return .success(ending)
        } catch let error as TrainingError {
            return .failure(error)
        }
    }

    /// Why the run ends before its last step, and how to go on.
    private func stopped(_ checkpoint: String?, _ watch: RunWatch) -> Failure {
        let place = checkpoint.map { "stopped after step \(run.stepCount), saved as \($0)" } ?? "stopped before the first step"
        let hint = checkpoint == nil ? nil : "the same command with --resume goes on"
        guard let failure = watch.logFailure else { return Failure(place, hint: hint) }
        return Failure("\(failure)", hint: [place, hint].compactMap(\.self).joined(separator: "; "))
    }

    /// Where the output cannot be written after all, the steps are not lost.
    private func write(_ output: consuming RunOutput) throws {
        do throws(FileError) {
            try output.write(self)
        } catch {
            guard let path = try? run.save() else { throw error }
            let hint = "all \(run.stepCount) steps are saved as \(path): the same command with --resume writes the output"
            throw FileError(
                error.path, at: error.place, error.message, hint: [error.hint, hint].compactMap(\.self).joined(separator: "; "))
        }
    }

    private var checkpointFolder: CheckpointFolder { CheckpointFolder(path: options.files.checkpoints) }

    /// A new run does not mix its checkpoints with those of another.
    private func refuseOldCheckpoints() throws {
        guard let old = try checkpointFolder.checkpoints().last, !options.files.replaces else { return }
        throw FileError(
            checkpointFolder.path, "holds checkpoints of an earlier run, the newest after step \(old.step)",
            hint: "--resume goes on with it, --force begins anew")
    }

    /// A folder that cannot be made is an error now, not after hours; one beside the output can be, as the output could.
    private func prepareCheckpoints() throws {
        if options.files.saveInterval != nil {
            let byteCount = TrainingCheckpoint.byteCount(parameters: model.parameters, optimizer: trainer.optimizer, best: run.best)
            try checkpointFolder.checkRoom(forCheckpointsOf: byteCount, keeping: options.files.keptCheckpoints)
        }
        if options.files.hasOwnCheckpoints || options.files.saveInterval != nil { try checkpointFolder.create() }
    }

    /// With the places of the records concerned, and what is still there.
    ///
    /// - Parameter output: what has been written all the same, where something has.
    private func explained(_ error: TrainingError, kept output: String? = nil) -> Failure {
        var message = error.description
        if case .nonfiniteLoss(_, _, _, let indices) = error, !indices.isEmpty {
            message += "; its \(data.unit) are " + indices.map { data.place(samples.records[$0]) }.joined(separator: ", ")
        }
        let kept =
            run.saved.map {
                "; the checkpoint after step \($0.step) is still good" + (options.isFull ? "" : ", and --init-from begins with it")
            } ?? ""
        return Failure(message, hint: error.hint + kept + (output.map { "; " + $0 } ?? ""))
    }
}
