import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import ModelLoading
import ToolSupport
import Training

/// What a run came to.
struct TrainOutcome {
    let ending: TrainingRun.Ending
    let history: RunHistory
    let testLoss: Double?
    /// Positions of this process's steps.
    let tokenCount: Int
    let tokensPerSecond: Double
    /// From the start of the program to its first step.
    let startSeconds: Double
}

extension TrainSetup {
    /// Takes all steps, with everything that people and files are told meanwhile.
    func run(_ console: Console, _ measures: RunMeasures) throws -> TrainOutcome {
        let isResumed = arguments.flag("resume")
        if isResumed { try run.resume() } else { try refuseOldCheckpoints() }
        showSample(console)
        if isResumed { console.note("going on after step \(run.stepCount) of \(run.plan.stepCount)") }
        try prepareCheckpoints()
        let picture = try PlotOutput(path: arguments.string("plot"))
        let log = try arguments.string("log").map { try AppendedFile(path: $0, continues: isResumed) }
        let stop = StopRequest()
        let hook = console.onTermination {
            console.note("stopping after this step; again to stop at once")
            stop.requestAndWait()
        }
        defer { stop.settle() }
        let prompts = PromptWatch(setup: self, prompts: arguments.strings("sample-prompt"), log: log, console: console)
        let watch = RunWatch(total: run.plan.stepCount - run.stepCount, log: log, console: console)
        let progress = console.progress("training", total: run.plan.stepCount - run.stepCount, unit: .items("steps"))
        let ending: TrainingRun.Ending
        let startSeconds = measures.seconds
        func answerPrompts(afterStep step: Int) throws {
            try prompts.answer(afterStep: step)
            watch.leaveOutElapsedTime()
        }
        do {
            if run.stepCount == 0 { try answerPrompts(afterStep: 0) }
            ending = try run.run(isStopRequested: { stop.isRequested }) { event in
                try watch.observe(event)
                switch event {
                case .stepped(let report, _):
                    progress.advance(by: 1)
                    if report.step + 1 == run.plan.stepCount { try answerPrompts(afterStep: report.step + 1) }
                case .evaluated(let evaluation):
                    if evaluation.step > 0, evaluation.step < run.plan.stepCount { try answerPrompts(afterStep: evaluation.step) }
                case .saved: break
                }
            }
        } catch let error as TrainingError {
            throw explained(error)
        }
        progress.finish()
        if case .stopped(let path) = ending {
            console.note("stopped after step \(run.stepCount), saved as \(path); the same command with --resume goes on")
            stop.settle()
        }
        hook.cancel()
        try picture.write(title: "qtrain \(FilePath.name(of: loaded.checkpoint.path))", history: run.history)
        let testLoss = ending == .finished ? try run.meanLoss(test) : nil
        return TrainOutcome(
            ending: ending, history: run.history, testLoss: testLoss, tokenCount: watch.tokenCount, tokensPerSecond: watch.tokensPerSecond,
            startSeconds: startSeconds)
    }

    private var checkpointFolder: CheckpointFolder {
        CheckpointFolder(path: arguments.string("checkpoints") ?? arguments.string(always: "output") + ".checkpoints")
    }

    /// A new run does not mix its checkpoints with those of another.
    private func refuseOldCheckpoints() throws {
        guard let old = try checkpointFolder.checkpoints().last, !arguments.flag("force") else { return }
        throw FileError(
            checkpointFolder.path, "holds checkpoints of an earlier run, the newest after step \(old.step)",
            hint: "--resume goes on with it, --force begins anew")
    }

    /// A folder that cannot be made is an error now, not after hours; one beside the output can be, as the output could.
    private func prepareCheckpoints() throws {
        guard arguments.isGiven("checkpoints") || arguments.isGiven("save-every") else { return }
        try checkpointFolder.create()
    }

    /// With the places of the records concerned, and what is still there.
    private func explained(_ error: TrainingError) -> Failure {
        var message = error.description
        if case .nonfiniteLoss(_, _, _, let indices) = error, !indices.isEmpty {
            message += "; its records are " + indices.map { data.set.places[samples.records[$0]] }.joined(separator: ", ")
        }
        return Failure(message, hint: error.hint)
    }
}
