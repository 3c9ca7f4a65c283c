import Adapters
import ByteIO
import CalibrationSupport
import Checkpoints
import CommandLineKit
import JSONText
import Merging
import ModelLoading
import Streaming
import ToolSupport

/// `qverify merge`.
func verifyMerge(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let base = try console.openCheckpoint(arguments.positional(always: "base"), for: .computing)
    let path = arguments.positional(always: "merged")
    let merged = try console.openCheckpoint(path, for: .computing)
    let adapters = try arguments.positionals("adapter").map { word in
        let named = try AdapterWord(word)
        return WeightedAdapter(try console.openAdapter(named.path), weight: named.weight)
    }
    let reference = try arguments.string("reference").map { try console.openCheckpoint($0, for: .computing) }
    guard let form = MergeVerification.form(of: merged, base: base) else {
        throw OperationError(
            "\(path) is a \(merged.kind.title) of a form that no merge into \(base.path) has",
            hint: "a .qnf of a .qnf, a dense model of a dense one, or one of a single type as --to writes it")
    }
    let plan = try MergePlan(base: base, reference: reference, adapters: adapters, form: form)
    let progress = console.progress("comparing", total: plan.inputByteCount)
    let resources = try arguments.resources(for: [base, merged], progress: progress)
    let (flips, calibrated) = try stated(plan, merged, resources, arguments, console)
    let report = try MergeVerification(plan, merged: merged, resources: resources, flips: flips, calibrated: calibrated).run()
    progress.finish()
    if arguments.flag("json") {
        try console.writeJSON([
            "ok": .bool(report.isEqual), "compared": .integer(report.comparedCount), "compared_bytes": .integer(report.comparedByteCount),
            "differing": .array(
                report.differing.map { .object(["name": .string($0.name), "first_byte": .integer($0.offset)]) }),
            "missing": .strings(report.missing.map(\.name)), "extra": .strings(report.extra), "seconds": .double(measures.seconds),
            "peak_memory": .integer(measures.peakMemory),
        ])
        return report.isEqual ? .done : .no
    }
    for row in report.differing.prefix(10) {
        try console.writeLine("'\(row.name.terminalSafe)' differs from byte \(NumberText.grouped(row.offset)) on")
    }
    for row in report.missing.prefix(10) { try console.writeLine("'\(row.name.terminalSafe)' is not there as \(row.expected)") }
    for name in report.extra.prefix(10) { try console.writeLine("'\(name.terminalSafe)' is not what a merge writes") }
    let count = "\(NumberText.grouped(report.comparedCount)) stored tensors, \(NumberText.byteCount(report.comparedByteCount))"
    try console.writeLine(
        report.isEqual
            ? "OK: \(path) is what merging gives, byte for byte; \(count) compared"
            : "NOT OK: \(report.differing.count) differ, \(report.missing.count) are missing, \(report.extra.count) are too many; \(count) compared"
    )
    console.note(measures.summary(byteCount: plan.inputByteCount))
    return report.isEqual ? .done : .no
}

/// The flips of a merged model, or the choice of its codes, on the text that they were made on; neither where its weights have the
/// nearest codes.
private func stated(
    _ plan: MergePlan, _ merged: Checkpoint, _ resources: Resources, _ arguments: ParsedArguments, _ console: Console
) throws -> (FlipMerge?, CalibratedMerge?) {
    let given = arguments.strings("calibrate")
    guard plan.form == .qnf, let stated = try StatedFlips(of: merged) else {
        guard given.isEmpty, !arguments.isGiven("tokens") else {
            throw UsageError("\(merged.path) says nothing of flips, so there is nothing to --calibrate for")
        }
        return (nil, nil)
    }
    guard stated.isCalibrated == (plan.reference != nil) else {
        throw UsageError(
            stated.isCalibrated
                ? "\(merged.path) was made of the weights from before the quantization: --reference SOURCE names them"
                : "\(merged.path) was made of the base's own codes, but --reference is given")
    }
    var inputs = given.map { CalibrationInput($0) }
    if inputs.isEmpty {
        // What is at hand anyway needs not be given again: the text of the tools, and what the adapters bring along.
        let brought = CalibrationInput.brought(by: plan.adapters.map { ($0.adapter.path, $0.adapter.sample) })
        inputs =
            [[CalibrationInput(CalibrationText.defaultWord)], brought].first { $0.map { FilePath.name(of: $0.path) } == stated.texts } ?? []
    }
    guard !inputs.isEmpty else {
        let names = stated.texts.isEmpty ? "a text" : stated.texts.map { "'\($0.terminalSafe)'" }.joined(separator: ", ")
        throw Failure(
            stated.isCalibrated
                ? "\(merged.path): its codes were chosen by \(names), without which they cannot be chosen again"
                : "\(merged.path): the codes of \(stated.requantized.count) weights were flipped on \(names), without which they cannot be "
                    + "flipped again",
            hint: "--calibrate FILE, for each of them in this order")
    }
    guard let tokenLimit = arguments.integer("tokens") ?? stated.tokenLimit, tokenLimit > 0 else {
        throw UsageError("\(merged.path) does not say how many tokens were read", hint: "--tokens N")
    }
    let model = try LayeredModel(plan.reference ?? plan.base)
    let text = try CalibrationText(inputs, tokenLimit: tokenLimit, for: model, console)
    guard text.digest == stated.samples else {
        throw Failure(
            "\(merged.path): its codes were \(stated.isCalibrated ? "chosen by" : "flipped on") tokens with the digest \(stated.samples ?? "none"), but those of the text have "
                + "\(text.digest)", hint: "give the same files in the same order, with the --tokens of the merge")
    }
    guard !stated.isCalibrated else {
        return (nil, try CalibratedMerge(of: model, on: text.samples, calibration: text.document, resources: resources))
    }
    let flips = try FlipMerge(
        requantized: stated.requantized, of: model, on: text.samples, calibration: text.document, resources: resources)
    return (flips, nil)
}
