package import Checkpoints
package import CommandLineKit
package import Inspection
import JSONText

/// Reads every byte of a model and reports what is wrong: `qinspect check` and `qverify integrity`.
package func checkIntegrity(of path: String, _ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let checkpoint = try console.openTensors(path)
    let progress = console.progress("checking", total: checkpoint.storedByteCount)
    let report = try IntegrityCheck(checkpoint, resources: try arguments.resources(for: [checkpoint], progress: progress)).run()
    progress.finish()
    return try tellIntegrity(report, of: checkpoint, path: path, measures, arguments, console)
}

/// What is said of a model that was read, in one run or in parts.
package func tellIntegrity(
    _ report: IntegrityReport, of checkpoint: any NamedTensors, path: String, _ measures: RunMeasures, _ arguments: ParsedArguments,
    _ console: Console
) throws -> ExitCode {
    if arguments.flag("json") {
        func document(_ finding: IntegrityReport.Finding) -> JSONValue {
            .object(["tensor": finding.tensor.map { .string($0) } ?? .null, "message": .string(finding.message)])
        }
        try console.writeJSON([
            "path": .string(path), "kind": .string(checkpoint.title), "ok": .bool(report.isSound),
            "problems": .array((report.problems + report.flaws).map(document)),
            "tensors": .integer(report.tensorCount), "checksums": .integer(report.checksumCount),
            "bytes": .integer(report.checkedByteCount), "seconds": .double(measures.seconds),
            "peak_memory": .integer(measures.peakMemory),
        ])
    } else {
        for finding in report.problems + report.flaws { try console.writeLine("\(path): \(finding.text.terminalSafe)") }
        try console.writeLine(summary(report, path: path, kind: checkpoint.title))
        console.note(measures.summary(byteCount: report.checkedByteCount))
    }
    return report.isSound ? .done : .no
}

private func summary(_ report: IntegrityReport, path: String, kind: String) -> String {
    let count = "\(NumberText.grouped(report.tensorCount)) tensor\(report.tensorCount == 1 ? "" : "s")"
    let tensors = "\(count), \(NumberText.byteCount(report.checkedByteCount))"
    let problemCount = report.problems.count + report.flaws.count
    let problems = "\(NumberText.grouped(problemCount)) problem\(problemCount == 1 ? "" : "s") in \(tensors)"
    guard report.problems.isEmpty else { return "\(path): DAMAGED, \(problems); fetch or convert it again" }
    guard report.flaws.isEmpty else { return "\(path): UNSOUND, \(problems); every byte was read, but this is not a whole, working model" }
    let covered =
        switch report.checksumCount {
        case 0: "the format keeps no checksums: structure and finite values are all that can be checked"
        case report.tensorCount: "every checksum is right"
        default: "\(NumberText.grouped(report.checksumCount)) checksums of tensors and those of the parts of others are right"
        }
    return "\(path): \(kind), sound; \(tensors); \(covered)"
}
