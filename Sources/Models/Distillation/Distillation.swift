package import Architectures
import ByteIO
package import Calibration
import Checkpoints
package import JSONText
package import ModelLoading
import Parallelism
import Quantization
import Records
import TensorCore
package import Training
import Transformer

/// Tunes the constants and norms of a 4-bit model so that it predicts what the unquantized one predicts.
///
///     p  predictions of the unquantized model        q  of the 4-bit one
///
///     divergence = mean over positions of sum p log(p / q)
///
/// One pass over the windows that calibration chose codes by; those that are held out decide which parameters are taken, and when there is
/// nothing to gain any more. Codes stay. What comes out is the same for any number of threads, and after any number of interruptions.
package struct Distillation {
    package enum Ending: Sendable {
        case finished(TunedConstants, DistillationNote)
        /// Asked to stop; the same run goes on from the checkpoint. There is none before the first step.
        case stopped(checkpoint: String?)
    }

    package let settings: DistillationSettings
    private let samples: [Sample]
    private let validation: [Batch]
    private let schedule: BatchSchedule
    package let stepCount: Int

    private static let seed: UInt64 = 1

    /// - Throws: where no window can be learned from, or none is held out.
    package init(on samples: CalibrationSamples, _ settings: DistillationSettings = .init()) throws(ModelError) {
        self.settings = settings
        func learned(_ isHeldOut: Bool) -> [Sample] {
            samples.samples.filter { $0.isHeldOut == isHeldOut && $0.ids.count > 1 }.map { sample in
                Sample(tokens: sample.ids, isLearned: sample.ids.map { _ in true })
            }
        }
        self.samples = learned(false)
        let heldOut = learned(true)
        guard !self.samples.isEmpty, !heldOut.isEmpty else {
            throw ModelError("distilling takes windows of two tokens to learn from, and others to judge by")
        }
        validation = Self.batches(heldOut, limit: settings.positionsPerStep)
        schedule = BatchSchedule(
            lengths: self.samples.map { $0.tokens.count - 1 }, limit: .positions(settings.positionsPerStep), accumulation: 1,
            seed: Self.seed)
        stepCount = schedule.stepCount(epochs: 1)
    }

    private static func batches(_ samples: [Sample], limit: Int) -> [Batch] {
        var batches: [Batch] = [], some: [Sample] = [], positions = 0
        for sample in samples {
            if positions + sample.tokens.count - 1 > limit, !some.isEmpty {
                batches.append(Batch(some))
                (some, positions) = ([], 0)
            }
            some.append(sample)
            positions += sample.tokens.count - 1
        }
        return batches + [Batch(some)]
    }

    /// Tokens that are learned from, and those that are held out.
    package var tokenCount: Int { samples.reduce(0) { $0 + $1.tokens.count } }
    package var heldOutCount: Int { validation.reduce(0) { $0 + $1.positionCount + $1.starts.count - 1 } }

    /// Positions of the longest window, and of the largest batch.
    var longest: Int { max(samples.map { $0.tokens.count - 1 }.max() ?? 0, validation.map(\.longestSampleCount).max() ?? 0) }
    var positionLimit: Int { max(settings.positionsPerStep, longest) }
    var evaluationInterval: Int { max(1, (stepCount + settings.evaluationCount - 1) / settings.evaluationCount) }

    /// - Parameters:
    ///   - student: the 4-bit model.
    ///   - teacher: the model that it was made of.
    ///   - folder: where checkpoints lie; one of the same run is gone on from.
    ///   - subject: what else identifies the run.
    ///   - observe: is told of steps, evaluations and checkpoints.
    /// - Throws: where the models are not of the same sizes, a norm has a type that cannot be written, a checkpoint is of another run, or
    ///   numbers are no longer finite (`TrainingError`).
    package func run(
        _ student: LoadedModel, teacher: LoadedModel, recomputes: Bool, folder: CheckpointFolder, subject: JSONObject,
        resources: ComputeResources, isStopRequested: () -> Bool, observe: (TrainingRun.Event) throws -> Void
    ) throws -> Ending {
        let network = try Network(student, tuning: .constants(normRate: settings.normRate / settings.rate))
        let model = try TrainableModel(
            network, teacher: Network(teacher, tuning: .none), positionLimit: positionLimit, longestSample: longest,
            recomputes: recomputes, resources: resources)
        let tuned = try TunedTensors(of: model, student)
        let optimizer = try Optimizer(settings.optimizer, parameterCount: model.parameters.values.count, folder: folder.path)
        let trainer = Trainer(
            model, optimizer: optimizer, learningRate: settings.learningRate(stepCount: stepCount), clip: nil, seed: Self.seed,
            pool: resources.pool)
        let run = TrainingRun(
            trainer, schedule: schedule, samples: samples, validation: validation,
            plan: .init(
                stepCount: stepCount, evaluationInterval: evaluationInterval, checkpointInterval: checkpointInterval, keptCheckpoints: 1,
                patience: settings.patience),
            folder: folder, identity: identity(subject), best: try BestParameters(of: model.parameters))
        if try !folder.checkpoints().isEmpty {
            do throws(FileError) { try run.resume() } catch {
                throw FileError(error.path, at: error.place, error.message, hint: "remove this checkpoint: the steps are taken anew then")
            }
        }
        try folder.checkRoom(
            forCheckpointsOf: TrainingCheckpoint.byteCount(parameters: model.parameters, optimizer: optimizer, best: run.best), keeping: 1)
        if case .stopped(let path) = try run.run(isStopRequested: isStopRequested, observe: observe) { return .stopped(checkpoint: path) }
        run.restoreBest()
        let constants = try tuned.rounded()
        let before = run.history.evaluations.first?.loss ?? .infinity, after = try run.meanLoss(validation) ?? .infinity
        // Constants that were quantized twice alone are no gain.
        let best = run.history.best?.step ?? 0, isBetter = best > 0 && after < before, bestStep = isBetter ? best : 0
        return .finished(
            isBetter ? constants : TunedConstants(absmax: [:], vectors: [:]),
            DistillationNote(
                tokenCount: tokens(ofSteps: bestStep), heldOutCount: heldOutCount, stepCount: stepCount, bestStep: bestStep,
                rate: settings.rate, normRate: settings.normRate, divergenceBefore: before, divergence: isBetter ? after : before,
                weightCount: isBetter ? constants.absmax.count : 0, vectors: isBetter ? constants.vectors.keys.sorted() : []))
    }

    private var checkpointInterval: Int { max(1, stepCount / 16) }

    /// Tokens of the first steps.
    private func tokens(ofSteps count: Int) -> Int {
        var schedule = schedule
        return (0..<count).reduce(0) { sum, _ in sum + schedule.next().batches.joined().reduce(0) { $0 + samples[$1].tokens.count } }
    }

    /// Everything that decides what comes out.
    private func identity(_ subject: JSONObject) -> RunIdentity {
        var members = subject
        members["rate"] = .double(settings.rate)
        members["norm-rate"] = .double(settings.normRate)
        members["positions"] = .integer(settings.positionsPerStep)
        members["evaluations"] = .integer(settings.evaluationCount)
        members["patience"] = .integer(settings.patience)
        members["steps"] = .integer(stepCount)
        return RunIdentity(members)
    }
}
