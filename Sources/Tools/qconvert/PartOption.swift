import ByteIO
import CommandLineKit
import JSONText
import Parts
import Streaming
import ToolSupport

extension Option {
    /// Of every conversion of a model.
    static let resume = Option.flag("resume", help: "keep what is finished, and go on from it after a kill")
}

extension ParsedArguments {
    /// Whether the work is to go on where it was interrupted.
    func resumes() throws(UsageError) -> Bool {
        guard flag("resume") else { return false }
        guard string("part") == nil else {
            throw UsageError("--part and --resume exclude each other: a part that was interrupted is simply made again")
        }
        return true
    }

    /// What becomes of a part that is there already.
    var existingPart: ExistingPart { flag("resume") ? .keepOrReplace : flag("force") ? .replace : .keep }

    /// The options that shape a result, as they would be typed.
    func typed(texts: [String], byteCounts: [String] = [], flags: [String]) -> [String] {
        texts.filter(isGiven).map { "--\($0) \(string(always: $0))" }
            + byteCounts.filter(isGiven).map { "--\($0) \(byteCount(always: $0))" }
            + flags.filter(isGiven).map { "--\($0)" }
    }
}

/// What is said once a part is made.
func report(
    _ report: PartReport, share: Partition.Share, _ measures: RunMeasures, _ arguments: ParsedArguments, _ console: Console
) throws -> ExitCode {
    warn(ofNonfinite: report.results, console)
    for warning in report.results.warnings { console.warning(warning) }
    guard !arguments.flag("json") else {
        try console.writeJSON([
            "output": .string(report.path), "part": .integer(report.part.number), "parts": .integer(report.part.count),
            "was_present": .bool(report.wasPresent), "tensors": .integer(report.tensorCount), "all_tensors": .integer(report.allCount),
            "input_bytes": .integer(share.inputByteCount), "bytes": .integer(report.byteCount),
            "overflows": .integer(report.results.narrowing.overflows), "underflows": .integer(report.results.narrowing.underflows),
            "seconds": .double(measures.seconds), "peak_memory": .integer(measures.peakMemory),
        ])
        return .done
    }
    try console.writeLine(
        "\(report.path): part \(report.part), \(NumberText.grouped(report.tensorCount)) of \(NumberText.grouped(report.allCount)) tensors; "
            + "\(NumberText.byteCount(share.inputByteCount)) -> \(NumberText.byteCount(report.byteCount))"
            + (report.wasPresent ? "; it was there already" : ""))
    if !report.wasPresent { console.note(measures.summary(byteCount: share.inputByteCount)) }
    return .done
}

/// What `--dry-run` says of a part.
func describe(
    _ part: PartNumber, _ share: Partition.Share, _ arguments: ParsedArguments, _ console: Console
) throws -> ExitCode {
    let path = part.path(ofOutput: arguments.string(always: "output"))
    guard !arguments.flag("json") else {
        try console.writeJSON([
            "output": .string(path), "part": .integer(part.number), "parts": .integer(part.count),
            "input_bytes": .integer(share.inputByteCount), "units": .integer(share.unitCount),
        ])
        return .done
    }
    try console.writeLine(
        "\(path) would be part \(part): \(NumberText.grouped(share.unitCount)) tensors, of \(NumberText.exactByteCount(share.inputByteCount))"
    )
    return .done
}

/// Weights that were quantized although they hold such values.
func warn(ofNonfinite results: PartResults, _ console: Console) {
    for finding in results.nonfinite {
        console.warning("tensor '\(finding.name)': element \(finding.index), and maybe others, is not finite")
    }
}
