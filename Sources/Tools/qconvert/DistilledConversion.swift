import ByteIO
import Calibration
import Checkpoints
import CommandLineKit
import Conversion
import JSONText
import Streaming
import ToolSupport

/// A conversion that calibrates a model, keeps that in a folder, and writes what distilling makes of it.
struct DistilledConversion {
    private let setup: DistillationSetup
    private let plan: ConversionPlan
    private let identity: String
    private let resources: Resources
    private let console: Console

    /// - Parameters:
    ///   - plan: without a budget.
    ///   - identity: a digest of all that decides what the calibrated file holds.
    init(_ setup: DistillationSetup, _ plan: ConversionPlan, identity: String, _ resources: Resources, _ console: Console) {
        self.setup = setup
        self.plan = plan
        self.identity = identity
        self.resources = resources
        self.console = console
    }

    /// - Parameter calibrate: writes the calibrated file, where it is not there from an earlier run; returns the plan that it was made by.
    func run(
        _ arguments: ParsedArguments, calibrate: (_ path: String) throws -> (ConversionReport, ConversionPlan)
    ) throws -> DistilledReport {
        // Opened before the long work: what cannot be written is an error now.
        let output = try AtomicOutput(
            destination: arguments.string(always: "output"), replaces: arguments.flag("force"), inputs: plan.checkpoint.inputFiles)
        try output.file().reserve(byteCount: plan.outputByteCount())
        let path = try setup.calibratedPath(identity)
        var converted: (ConversionReport, ConversionPlan)?
        if FilePath.kind(of: path) == .missing {
            converted = try calibrate(path)
        } else {
            console.note("\(path): goes on with what was calibrated before")
        }
        return DistilledReport(result: try setup.run(path, into: output, resources, console), converted: converted)
    }
}

/// What a distillation has written.
struct DistillationResult {
    let note: DistillationNote
    let fingerprint: Fingerprint
    let byteCount: Int
    /// 4-bit tensors, and others.
    let quantizedCount: Int
    let keptCount: Int
    /// Weights in all of them.
    let elementCount: Int

    /// What the report says of it.
    var line: String {
        let numbers = [note.divergenceBefore, note.divergence].map { NumberText.significant($0, digits: 3) }
        guard note.bestStep > 0 else {
            return
                "distilled: nothing gained on \(NumberText.grouped(note.heldOutCount)) held-out tokens (divergence \(numbers[0])), so that the "
                + "calibrated model is written"
        }
        return "distilled on \(NumberText.grouped(note.tokenCount)) tokens, \(note.bestStep) of \(note.stepCount) steps: divergence on "
            + "\(NumberText.grouped(note.heldOutCount)) held-out tokens \(numbers[0]) before, \(numbers[1]) after; constants of "
            + "\(note.weightCount) weights and \(note.vectors.count) norms are tuned"
    }
}

/// What is told of the whole.
struct DistilledReport {
    let result: DistillationResult
    /// Of the calibrated file; nil where it was there before.
    let converted: (report: ConversionReport, plan: ConversionPlan)?

    func report(_ plan: ConversionPlan, _ measures: RunMeasures, _ arguments: ParsedArguments, _ console: Console) throws {
        let path = arguments.string(always: "output"), bits = 8 * Double(result.byteCount) / Double(max(1, result.elementCount))
        let calibrated = converted?.report.calibration
        guard !arguments.flag("json") else {
            var document = JSONObject([
                "output": .string(path), "bytes": .integer(result.byteCount), "input_bytes": .integer(plan.inputByteCount),
                "quantized": .integer(result.quantizedCount), "kept": .integer(result.keptCount), "bits_per_weight": .double(bits),
                "fingerprint": .string(result.fingerprint.description), "distillation": result.note.document,
                "seconds": .double(measures.seconds), "peak_memory": .integer(measures.peakMemory),
            ])
            if let calibrated, let note = plan.calibration { document["calibration"] = calibrated.document(note) }
            if let budget = converted?.plan.budget { document["budget"] = budget.document }
            return try console.writeJSON(document)
        }
        try console.writeLine(
            "\(path): \(result.quantizedCount) tensors 4-bit, \(result.keptCount) kept; \(NumberText.byteCount(plan.inputByteCount)) -> "
                + "\(NumberText.byteCount(result.byteCount)) (\(NumberText.fixed(bits, decimals: 2)) bits/weight)")
        if let calibrated, let note = plan.calibration {
            for line in calibrated.lines(note) { try console.writeLine(line) }
        }
        if let budget = converted?.plan.budget { try console.writeLine(budget.line) }
        try console.writeLine(result.line)
        console.note(measures.summary(byteCount: plan.inputByteCount))
    }
}
