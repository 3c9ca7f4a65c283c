import CommandLineKit
import JSONText
import MergeSupport
import Merging
import Parts
import ToolSupport

/// That a merge which is done in parts, or joined, is asked for nothing that parts cannot have.
func checkParts(_ part: PartNumber?, _ arguments: ParsedArguments) throws(UsageError) {
    guard part != nil || arguments.flag("join") else { return }
    guard part == nil || !arguments.flag("join") else { throw UsageError("--part and --join exclude each other") }
    guard !arguments.isGiven("calibrate") else {
        throw UsageError("--calibrate goes through the whole model, layer after layer, and cannot be done in parts")
    }
    guard !arguments.flag("dry-run") else { throw UsageError("--dry-run tells of the whole merge: leave --part and --join out") }
    for name in ["min-survival", "strict", "list", "text"] where part != nil && arguments.isGiven(name) {
        throw UsageError("--\(name) is for the report that --join makes of the parts")
    }
}

/// That no codes are flipped in a merge which is done in parts: that goes through the whole model, layer after layer.
///
/// Not flipping where one run would flip is asked for, since the result is another.
func checkParts(_ plan: MergePlan, _ options: MergeOptions) throws(UsageError) {
    guard options.method != .requantize, plan.form == .qnf, plan.reference == nil, !plan.requantizedNames.isEmpty else { return }
    throw UsageError(
        "codes are flipped going through the whole model, layer after layer, which cannot be done in parts",
        hint: "--method requantize, of all parts and of --join, quantizes weights again instead")
}

/// `qmerge --part`.
func mergePart(
    _ part: PartNumber, _ plan: MergePlan, path: String, isFolder: Bool, _ measures: RunMeasures, _ arguments: ParsedArguments,
    _ console: Console
) throws -> ExitCode {
    let share = plan.share(of: part)
    let progress = console.progress("merging", total: share.inputByteCount)
    let resources = try arguments.resources(for: [plan.base] + (plan.reference.map { [$0] } ?? []), progress: progress)
    let report = try Merge(plan, resources: resources, toolVersion: toolVersion, options: effectiveOptions(arguments))
        .run(part, path: path, isFolder: isFolder, replaces: arguments.flag("force"))
    progress.finish()
    guard !arguments.flag("json") else {
        try console.writeJSON([
            "output": .string(report.part.path), "part": .integer(part.number), "parts": .integer(part.count),
            "was_present": .bool(report.wasPresent), "tensors": .integer(report.itemCount), "all_tensors": .integer(report.allCount),
            "input_bytes": .integer(report.inputByteCount), "bytes": .integer(report.byteCount), "seconds": .double(measures.seconds),
            "peak_memory": .integer(measures.peakMemory),
        ])
        return .done
    }
    try console.writeLine(
        "\(report.part.path): part \(part), \(NumberText.grouped(report.itemCount)) of \(NumberText.grouped(report.allCount)) tensors; "
            + "\(NumberText.byteCount(report.inputByteCount)) -> \(NumberText.byteCount(report.byteCount))"
            + (report.wasPresent ? "; it was there already" : ""))
    if !report.wasPresent { console.note(measures.summary(byteCount: report.inputByteCount)) }
    return .done
}
