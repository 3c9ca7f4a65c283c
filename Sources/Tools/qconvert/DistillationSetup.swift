import ByteIO
import Calibration
import CalibrationSupport
import Checkpoints
import CommandLineKit
import Conversion
import Distillation
import JSONText
import ModelLoading
import Parallelism
import Platform
import Quantization
import Streaming
import TensorCore
import ToolSupport
import Training

/// What `--distill` asks for, with all that can be refused refused before the work begins.
struct DistillationSetup {
    private let distillation: Distillation
    private let teacher: LoadedModel
    private let cost: DistillationCost
    /// Where the calibrated model and checkpoints lie.
    private let folder: String
    private let threadCount: Int

    /// Nil where nothing is to be distilled.
    ///
    /// - Parameter plan: without a budget.
    /// - Throws: where nothing is calibrated, or there is too little memory.
    init?(_ arguments: ParsedArguments, _ plan: ConversionPlan, _ calibration: CalibrationSetup?) throws {
        guard arguments.flag("distill") else { return nil }
        guard let calibration else {
            throw UsageError("--distill goes on where --calibrate ends, which is not given", hint: "add --calibrate TEXT, or 'default'")
        }
        distillation = try Distillation(on: calibration.text.samples)
        teacher = try LoadedModel(plan.checkpoint, configuration: calibration.model.configuration)
        folder = arguments.string("checkpoints") ?? arguments.string(always: "output") + ".checkpoints"
        threadCount = arguments.integer("threads") ?? WorkerPool.availableProcessorCount
        let limit = min(arguments.byteCount("max-memory") ?? .max, AvailableMemory.byteCount ?? .max)
        cost = try distillation.cost(
            of: teacher, plan.settings, studentByteCount: try plan.outputByteCount(), limit: limit, threadCount: threadCount)
        try Self.check(cost, plan.checkpoint.path, limit: limit)
    }

    /// Refuses what there is no memory for, while it costs nothing yet.
    static func check(_ cost: DistillationCost, _ path: String, limit: Int) throws(Failure) {
        guard cost.total > limit else { return }
        throw Failure(
            "distilling \(path) takes about \(NumberText.byteCount(cost.total)) of memory beside the weights "
                + "(\(NumberText.byteCount(cost.training)) of what is tuned, \(NumberText.byteCount(cost.activations)) of a step), but there "
                + "are \(NumberText.byteCount(limit))", hint: "without --distill it is calibrated alone")
    }

    /// What will be done, in a line.
    var summary: String {
        "\(NumberText.grouped(distillation.tokenCount)) tokens in \(distillation.stepCount) steps, "
            + "\(NumberText.grouped(distillation.heldOutCount)) held out; about \(time); about \(NumberText.byteCount(cost.total)) of memory, and "
            + "\(NumberText.byteCount(cost.weights)) of weights that are read again for each step where there is no room for them"
    }

    /// How long it will take: `7 min on 2 threads`.
    private var time: String {
        let seconds = cost.operationCount / (Self.operationsPerSecond * Double(threadCount))
        return "\(NumberText.duration(seconds: seconds)) on \(threadCount) threads"
    }

    /// What a thread gets done, on the machines that were measured.
    private static let operationsPerSecond = 2.5e10

    // MARK: - The calibrated model

    /// Where the calibrated model of a plan is kept until the end.
    ///
    /// - Throws: where the folder holds that of another run.
    func calibratedPath(_ identity: String) throws(FileError) -> String {
        let prefix = "calibrated-", own = prefix + identity.prefix(16) + ".qnf"
        if FilePath.kind(of: folder) == .folder {
            for name in try FilePath.entries(of: folder) where name.hasPrefix(prefix) && name != own {
                throw FileError(
                    FilePath.join(folder, name), "is of another run: model, text, options or tool differ",
                    hint: "remove the folder, or choose another with --checkpoints: the run begins anew then")
            }
        } else {
            try CheckpointFolder(path: folder).create()
        }
        return FilePath.join(folder, own)
    }

    // MARK: - Running

    /// Tunes the calibrated model and writes what comes of it.
    func run(
        _ calibratedPath: String, into output: consuming AtomicOutput, _ resources: Resources, _ console: Console
    ) throws -> DistillationResult {
        let calibrated = try Checkpoint.open(calibratedPath)
        guard let fingerprint = calibrated.metadata?.fingerprint else { throw FileError(calibratedPath, "is no .qnf") }
        console.note("distilling: \(summary)")
        let stop = StopRequest()
        let hook = console.onTermination {
            console.note("stopping after this step; again to stop at once")
            stop.requestAndWait()
        }
        let progress = console.progress("distilling", total: distillation.stepCount, unit: .items("steps"))
        do {
            let ending = try distillation.run(
                LoadedModel(calibrated), teacher: teacher, recomputes: cost.recomputes, folder: CheckpointFolder(path: folder),
                subject: JSONObject(["calibrated": .string(fingerprint.description)]),
                resources: ComputeResources(pool: resources.pool), isStopRequested: { stop.isRequested }
            ) { event in
                switch event {
                case .stepped(let report, _):
                    progress.describe("divergence \(NumberText.fixed(report.loss, decimals: 4))")
                    progress.advance(by: 1)
                case .evaluated(let evaluation):
                    console.note(
                        "step \(evaluation.step): divergence on held-out tokens \(NumberText.fixed(evaluation.loss, decimals: 4))")
                case .saved: break
                }
            }
            progress.finish()
            switch ending {
            case .stopped(let path):
                throw Failure(
                    path.map { "stopped, saved as \($0)" } ?? "stopped before the first step",
                    hint: "the same command goes on from there")
            case .finished(let tuned, let note):
                let written = try ConstantsRewrite(calibrated, tuned, note: note).run(into: output, resources)
                stop.settle()
                hook.cancel()
                removeCheckpoints(calibratedPath)
                let quantizedCount = calibrated.tensors.count { $0.quantized != nil }
                return DistillationResult(
                    note: note, fingerprint: written.fingerprint, byteCount: written.byteCount, quantizedCount: quantizedCount,
                    keptCount: calibrated.tensors.count - quantizedCount,
                    elementCount: calibrated.tensors.reduce(0) { $0 + $1.elementCount })
            }
        } catch {
            progress.finish()
            let error =
                (error as? TrainingError).map { Failure($0.description, hint: "the steps do not lead anywhere with this model and text") }
                ?? error
            // After a signal nobody else could tell: the process is gone before.
            if stop.isRequested { console.error(error) }
            stop.settle()
            hook.cancel()
            throw error
        }
    }

    /// Removes what nobody needs any more, and the folder where nothing else is in it.
    private func removeCheckpoints(_ calibratedPath: String) {
        for checkpoint in (try? CheckpointFolder(path: folder).checkpoints()) ?? [] { unlink(checkpoint.path) }
        unlink(calibratedPath)
        rmdir(folder)
    }
}
