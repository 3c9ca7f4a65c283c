import ByteIO
import Calibration
import CalibrationSupport
import Checkpoints
import CommandLineKit
import JSONText
import Merging
import ModelLoading
import Parallelism
import Streaming
import ToolSupport
import Transformer

/// How weights that stay 4-bit take the adapters up: `--method`.
enum MergeMethod: String, CaseIterable {
    /// Flips where quantizing again loses too much and the base can be run, else quantizing again.
    case auto
    case requantize
    case flips
}

/// How much of the text is read unless it is said.
let defaultCalibrationTokens = 4096

/// How weights of a reference become 4-bit, where a text is given for that; nil for the nearest codes.
func calibrated(_ plan: MergePlan, _ arguments: ParsedArguments, _ console: Console) throws -> CalibratedMerge? {
    let paths = arguments.strings("calibrate")
    guard !paths.isEmpty, let reference = plan.reference, plan.form == .qnf else { return nil }
    let method = arguments.string("method").flatMap(MergeMethod.init) ?? .auto
    guard method == .auto else {
        throw UsageError(
            "with --reference, --calibrate chooses codes for other weights than the base's, so --method \(method.rawValue) is none")
    }
    let model = try LayeredModel(reference)
    let text = try CalibrationText(
        paths, tokenLimit: arguments.integer("tokens") ?? defaultCalibrationTokens, for: model, console)
    try checkMemory(CalibrationMemory(model, text.samples).total, arguments)
    let resources = try arguments.resources(for: [plan.base, reference])
    console.note(
        "codes and scales of \(plan.requantizedNames.count) weights are chosen by what the layers of \(reference.path) see of "
            + "\(NumberText.grouped(text.samples.tokenCount)) tokens")
    return try CalibratedMerge(of: model, on: text.samples, calibration: text.document, resources: resources)
}

/// Which weights of a merge are flipped, and on what; nil where all are quantized again.
///
/// Where nobody says how, small deltas are flipped on the text of the tools, and what stands against it is told instead of refused.
func flips(_ plan: MergePlan, _ arguments: ParsedArguments, _ console: Console) throws -> FlipMerge? {
    let method = arguments.string("method").flatMap(MergeMethod.init) ?? .auto
    let paths = arguments.strings("calibrate")
    if plan.reference != nil, plan.form == .qnf, !paths.isEmpty { return nil }
    let isAsked = method == .flips || !paths.isEmpty || arguments.isGiven("tokens")
    for name in ["calibrate", "tokens"] where method == .requantize && arguments.isGiven(name) {
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
            paths.isEmpty ? [CalibrationText.defaultWord] : paths,
            tokenLimit: arguments.integer("tokens") ?? defaultCalibrationTokens, for: model, console)
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
    announce(chosen, of: trial.count, plan, text, isGeneral: paths.isEmpty, threadCount: resources.pool.threadCount, console)
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
