import CommandLineKit
import JSONText
import Training

/// Tells of a run while it lasts: lines on standard error, a log, and how fast it is.
final class RunWatch {
    private let log: AppendedFile?
    private let console: Console
    private let clock = ContinuousClock()
    private var lastEvent: ContinuousClock.Instant
    private var stepSeconds = 0.0
    private var recentLosses: [Double] = []
    private(set) var tokenCount = 0

    init(total: Int, log: AppendedFile?, console: Console) {
        self.log = log
        self.console = console
        lastEvent = clock.now
    }

    var tokensPerSecond: Double { stepSeconds > 0 ? Double(tokenCount) / stepSeconds : 0 }

    /// What happened since the last event was no part of a step.
    func leaveOutElapsedTime() { lastEvent = clock.now }

    func observe(_ event: TrainingRun.Event) throws {
        let now = clock.now
        let elapsed = (now - lastEvent).components
        let seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
        lastEvent = now
        switch event {
        case .stepped(let report, let epoch):
            stepSeconds += seconds
            tokenCount += report.positionCount
            recentLosses.append(report.loss)
            try log?.writeLine(
                JSONValue.object([
                    "step": .integer(report.step + 1), "epoch": .integer(epoch + 1), "loss": .double(report.loss),
                    "gradient_norm": .double(report.gradientNorm), "learning_rate": .double(report.learningRate),
                    "tokens": .integer(report.positionCount), "learned_tokens": .integer(report.learnedCount), "seconds": .double(seconds),
                ]).text(.python))
        case .evaluated(let evaluation):
            let mean = recentLosses.isEmpty ? nil : recentLosses.reduce(0, +) / Double(recentLosses.count)
            recentLosses = []
            let training = mean.map { ", training loss \(NumberText.fixed($0, decimals: 4)) since the last" } ?? ""
            let speed = tokenCount > 0 ? ", \(NumberText.significant(tokensPerSecond, digits: 4)) tokens/s" : ""
            console.note("step \(evaluation.step): validation loss \(NumberText.fixed(evaluation.loss, decimals: 4))\(training)\(speed)")
            try log?.writeLine(
                JSONValue.object(["step": .integer(evaluation.step), "validation_loss": .double(evaluation.loss)]).text(.python))
        case .saved(let path): try log?.writeLine(JSONValue.object(["checkpoint": .string(path)]).text(.python))
        }
    }
}
