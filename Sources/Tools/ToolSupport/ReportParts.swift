package import CommandLineKit
import JSONText
package import Parts

extension Option {
    /// Of commands that print a report, which can be made in parts: `--part K/N -o REPORT`.
    package static let reportParts: [Option] = [
        .part, .path("output", short: "o", "REPORT", help: "with --part: the report that is in parts"),
        .flag("force", short: "f", help: "replace a part that is there already"),
    ]
}

extension ParsedArguments {
    /// Where a part of a report goes, and which; nil where all of it is to be printed.
    ///
    /// - Parameter others: options that are for the whole report alone.
    package func reportPart(without others: [String] = []) throws(UsageError) -> (part: PartNumber, output: String)? {
        guard let part = try part() else {
            for name in ["output", "force"] where isGiven(name) {
                throw UsageError("--\(name) is for a part of the report, but --part is not given")
            }
            return nil
        }
        for name in others where isGiven(name) { throw UsageError("--\(name) is for the report that 'join' makes of the parts") }
        guard let output = string("output") else {
            throw UsageError("--part needs --output: 'REPORT.part-\(part.number)-of-\(part.count)' is written")
        }
        return (part, output)
    }
}

/// What is said once a part of a report is made.
///
/// - Parameter byteCount: what was read of models.
package func tellPart(
    _ made: ReportPart, wasPresent: Bool, byteCount: Int, _ measures: RunMeasures, _ arguments: ParsedArguments, _ console: Console
) throws -> ExitCode {
    guard !arguments.flag("json") else {
        try console.writeJSON([
            "output": .string(made.path), "part": .integer(made.part.number), "parts": .integer(made.part.count),
            "was_present": .bool(wasPresent), "tensors": .integer(made.items.count), "all_tensors": .integer(made.frame.itemCount),
            "input_bytes": .integer(byteCount), "seconds": .double(measures.seconds), "peak_memory": .integer(measures.peakMemory),
        ])
        return .done
    }
    try console.writeLine(
        "\(made.path): part \(made.part) of '\(made.frame.command)', \(NumberText.grouped(made.items.count)) of "
            + "\(NumberText.grouped(made.frame.itemCount)) tensors" + (wasPresent ? "; it was there already" : ""))
    if !wasPresent { console.note(measures.summary(byteCount: byteCount)) }
    return .done
}
