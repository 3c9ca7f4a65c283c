import Adapters
import ByteIO
import Calibration
import CalibrationSupport
import Checkpoints
package import CommandLineKit
import JSONText
package import Merging
import ModelLoading
import Parallelism
import Streaming
import ToolSupport
import Transformer

/// How weights that stay 4-bit take the adapters up: `--method`.
package enum MergeMethod: String, CaseIterable, Sendable {
    /// Flips where quantizing again loses too much and the base can be run, else quantizing again.
    case auto
    case requantize
    case flips
}

/// How much of the text is read unless it is said.
package let defaultCalibrationTokens = 4096

/// How a merge takes the adapters up, as a command line has it.
package struct MergeOptions: Sendable {
    package var method: MergeMethod
    /// What the base is run on: files, or `default`.
    package var texts: [String]
    /// How much of them is read; nil where nobody says.
    package var tokenLimit: Int?

    package init(method: MergeMethod = .auto, texts: [String], tokenLimit: Int? = nil) {
        self.method = method
        self.texts = texts
        self.tokenLimit = tokenLimit
    }

    /// Of a command line of qmerge.
    package init(_ arguments: ParsedArguments) {
        self.init(
            method: arguments.string("method").flatMap(MergeMethod.init) ?? .auto, texts: arguments.strings("calibrate"),
            tokenLimit: arguments.isGiven("tokens") ? arguments.integer("tokens") : nil)
    }

    /// What the base is run on: what was said, or else what the adapters bring along.
    func inputs(of plan: MergePlan) -> [CalibrationInput] {
        guard texts.isEmpty else { return texts.map { CalibrationInput($0) } }
        return method == .requantize ? [] : CalibrationInput.brought(by: plan.adapters.map { ($0.adapter.path, $0.adapter.sample) })
    }
}

/// How weights of a reference become 4-bit, where a text is given for that; nil for the nearest codes.
///
/// - Parameter arguments: say how many threads and how much memory there are.
package func calibrated(
    _ plan: MergePlan, _ options: MergeOptions, _ arguments: ParsedArguments, _ console: Console
) throws -> CalibratedMerge? {
    let inputs = options.inputs(of: plan)
    guard !inputs.isEmpty, let reference = plan.reference, plan.form == .qnf else { return nil }
    let method = options.method
    guard method == .auto else {
        throw UsageError(
            "with --reference, --calibrate chooses codes for other weights than the base's, so --method \(method.rawValue) is none")
    }
    let model = try LayeredModel(reference)
    let text = try CalibrationText(
        inputs, tokenLimit: options.tokenLimit ?? defaultCalibrationTokens, for: model, console)
    try checkMemory(CalibrationMemory(model, text.samples).total, arguments)
    let resources = try arguments.resources(for: [plan.base, reference])
    console.note(
        "codes and scales of \(plan.requantizedNames.count) weights are chosen by what the layers of \(reference.path) see of "
            + "\(NumberText.grouped(text.samples.tokenCount)) tokens")
    return try CalibratedMerge(of: model, on: text.samples, calibration: text.document, resources: resources)
}

/// Which weights of a merge are flipped, and on what; nil where all are quantized again.
///
/// Where nobody says how, small deltas are flipped on what the adapters bring along, or on the text of the tools, and what stands against
/// it is told instead of refused.
///
/// - Parameter arguments: say how many threads and how much memory there are.
package func flips(
    _ plan: MergePlan, _ options: MergeOptions, _ arguments: ParsedArguments, _ console: Console
) throws -> FlipMerge? {
    let method = options.method, inputs = options.inputs(of: plan)
    if plan.reference != nil, plan.form == .qnf, !inputs.isEmpty { return nil }
    let isAsked = method == .flips || !options.texts.isEmpty || options.tokenLimit != nil
    for (name, isGiven) in [("calibrate", !options.texts.isEmpty), ("tokens", options.tokenLimit != nil)]
    where method == .requantize && isGiven {
        throw UsageError("--\(name) is for flips, and --method requantize does without")
    }
    let reason =
        plan.form != .qnf
        ? "the output is dense and takes the deltas as they are"
        : plan.reference != nil
            ? "--reference merges into other weights than those of the base"
            : plan.requantizedNames.isEmpty ? "the adapters change none" : nil
    if let reason {
        guard !isAsked else { throw UsageError("codes are flipped of weights that stay 4-bit, but \(reason)") }
        return nil
    }
    guard method != .requantize else { return nil }
    let model: LayeredModel
    do throws(FileError) { model = try LayeredModel(plan.base) } catch {
        guard method == .auto else { throw error }
        tell("\(error.description): the base cannot be run, and weights are quantized again", isWarning: isAsked, console)
        return nil
    }
    let text: CalibrationText
    do {
        text = try CalibrationText(
            inputs.isEmpty ? [CalibrationInput(CalibrationText.defaultWord)] : inputs,
            tokenLimit: options.tokenLimit ?? defaultCalibrationTokens, for: model, console)
        try checkMemory(FlipMerge.memory(plan, model, text.samples), arguments)
        _ = try CalibrationPass(model, text.samples, engine: MatrixEngine(pool: WorkerPool(threadCount: 1)))
    } catch {
        guard !isAsked else { throw error }
        tell("\(error): the base cannot be run on a text, and weights are quantized again", isWarning: false, console)
        return nil
    }
    let progress = console.progress("measuring", total: plan.requantizedByteCount)
    let resources = try arguments.resources(for: [plan.base], progress: progress)
    let trial = try MergeTrial(plan, resources: resources).run()
    progress.finish()
    let chosen = trial.filter { method == .flips || !($0.value >= FlipMerge.enough) }
    guard !chosen.isEmpty else {
        console.note("at least \(NumberText.percent(FlipMerge.enough)) of every delta survives quantizing again: nothing is flipped")
        return nil
    }
    announce(chosen, of: trial.count, plan, text, isGeneral: inputs.isEmpty, threadCount: resources.pool.threadCount, console)
    return try FlipMerge(
        requantized: chosen, of: model, on: text.samples, calibration: text.document, resources: resources)
}

private func tell(_ text: String, isWarning: Bool, _ console: Console) {
    if isWarning { console.warning(text) } else { console.note(text) }
}

private func checkMemory(_ needed: Int, _ arguments: ParsedArguments) throws {
    let limit = arguments.byteCount("max-memory"), available = AvailableMemory.byteCount ?? .max
    guard needed > min(limit ?? .max, available) else { return }
    let allowed =
        limit.map { $0 <= available } ?? false
        ? "--max-memory allows \(NumberText.byteCount(limit ?? 0))" : "there are \(NumberText.byteCount(available)) of memory available"
    throw Failure(
        "\(allowed), but running the base and flipping codes takes up to "
            + "\(NumberText.byteCount(needed))", hint: "fewer --tokens take less; --method requantize takes little")
}

/// Says what will be done, what it takes, and how to have it otherwise.
private func announce(
    _ chosen: [String: Double], of count: Int, _ plan: MergePlan, _ text: CalibrationText, isGeneral: Bool, threadCount: Int,
    _ console: Console
) {
    let mean = chosen.values.reduce(0, +) / Double(chosen.count)
    let seconds = FlipMerge.operationCount(plan, names: Set(chosen.keys), text.samples) / (operationsPerSecond * Double(threadCount))
    let time = seconds < 90 ? "\(max(1, Int(seconds.rounded(.up)))) s" : "\(Int((seconds / 60).rounded(.up))) min"
    console.note(
        "quantized again, \(chosen.count) of \(count) weights would keep \(NumberText.percent(mean)) of their deltas at the mean: their codes "
            + "are flipped instead, on \(NumberText.grouped(text.samples.tokenCount)) tokens that the base reads, which takes about \(time); "
            + "--method requantize does without")
    guard isGeneral else { return }
    console.note(
        "the text is a general one: with --calibrate FILE of what the adapter was trained on, and --calibrate default beside it, more of the effect "
            + "is kept where it matters")
}

/// What a thread gets done, on the machines that were measured.
private let operationsPerSecond = 1e10
