import ByteIO
import CommandLineKit
import JSONText
import Training

/// Tells of a run while it lasts: lines on standard error, a log, and how fast it is.
final class RunWatch {
    private let log: AppendedFile?
    private let console: Console
    private let progress: Progress
    private let clock = ContinuousClock()
    private var lastEvent: ContinuousClock.Instant
    private var stepSeconds = 0.0
    private var recentLosses: [Double] = []
    private(set) var tokenCount = 0
    /// Why the log cannot be written any longer. No reason to lose steps: whoever watches stops the run, which saves them.
    private(set) var logFailure: FileError?

    init(log: AppendedFile?, progress: Progress, console: Console) {
        self.log = log
        self.progress = progress
        self.console = console
        lastEvent = clock.now
    }

    var tokensPerSecond: Double { stepSeconds > 0 ? Double(tokenCount) / stepSeconds : 0 }

    /// What happened since the last event was no part of a step.
    func leaveOutElapsedTime() { lastEvent = clock.now }

    func observe(_ event: TrainingRun.Event) {
        let now = clock.now
        let elapsed = (now - lastEvent).components
        let seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
        lastEvent = now
        switch event {
        case .stepped(let report, let epoch):
            stepSeconds += seconds
            tokenCount += report.positionCount
            recentLosses.append(report.loss)
            progress.describe("loss \(NumberText.fixed(report.loss, decimals: 4))  \(speed)")
            progress.advance(by: 1)
            var members = JSONObject([
                "step": .integer(report.step + 1), "epoch": .integer(epoch + 1), "loss": .double(report.loss),
                "gradient_norm": .double(report.gradientNorm), "learning_rate": .double(report.learningRate),
                "tokens": .integer(report.positionCount), "learned_tokens": .integer(report.learnedCount), "seconds": .double(seconds),
            ])
            if let loss = report.routerLoss { members["router_loss"] = .double(loss) }
            writeLine(members)
        case .evaluated(let evaluation):
            let mean = recentLosses.isEmpty ? nil : recentLosses.reduce(0, +) / Double(recentLosses.count)
            recentLosses = []
            let training = mean.map { ", training \(NumberText.fixed($0, decimals: 4))" } ?? ""
            let shownSpeed = tokenCount > 0 ? ", " + speed : ""
            console.note(
                "step \(evaluation.step): validation loss \(NumberText.fixed(evaluation.loss, decimals: 4))\(training)\(shownSpeed)")
            writeLine(["step": .integer(evaluation.step), "validation_loss": .double(evaluation.loss)])
        case .saved(let path): writeLine(["checkpoint": .string(path)])
        }
    }

    /// Appends one object to the log, if there is one.
    func writeLine(_ members: KeyValuePairs<String, JSONValue>) { writeLine(JSONObject(members)) }

    private func writeLine(_ members: JSONObject) {
        guard logFailure == nil else { return }
        do throws(FileError) { try log?.writeLine(JSONValue.object(members).text(.python)) } catch { logFailure = error }
    }

    /// For people: `8,458 tokens/s`, `9.53 tokens/s`.
    var speed: String {
        let rate = tokensPerSecond
        return (rate < 100 ? NumberText.significant(rate, digits: 3) : NumberText.grouped(Int(rate.rounded()))) + " tokens/s"
    }
}
