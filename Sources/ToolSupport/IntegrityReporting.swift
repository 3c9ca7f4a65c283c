import Checkpoints
package import CommandLineKit
import JSONText
import Operations

/// Reads every byte of a model and reports what is wrong: `qinspect check` and `qverify integrity`.
package func checkIntegrity(of path: String, _ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let checkpoint = try console.openTensors(path)
    let progress = console.progress("checking", total: checkpoint.storedByteCount)
    let report = try IntegrityCheck(checkpoint, resources: try arguments.resources(for: [checkpoint], progress: progress)).run()
    progress.finish()
    if arguments.flag("json") {
        func document(_ finding: IntegrityReport.Finding) -> JSONValue {
            .object(["tensor": .string(finding.tensor), "message": .string(finding.message)])
        }
        try console.writeJSON([
            "path": .string(path), "kind": .string(checkpoint.kind.rawValue), "ok": .bool(report.problems.isEmpty),
            "problems": .array(report.problems.map(document)), "oddities": .array(report.oddities.map(document)),
            "tensors": .integer(report.tensorCount), "checksums": .integer(report.checksumCount),
            "bytes": .integer(report.checkedByteCount), "seconds": .double(measures.seconds),
            "peak_memory": .integer(measures.peakMemory),
        ])
    } else {
        for finding in report.problems {
            try console.writeLine("\(path): tensor '\(finding.tensor.terminalSafe)': \(finding.message.terminalSafe)")
        }
        for finding in report.oddities { console.warning("\(path): tensor '\(finding.tensor)': \(finding.message)") }
        try console.writeLine(summary(report, path: path, kind: checkpoint.kind.rawValue))
        console.note(measures.summary(byteCount: report.checkedByteCount))
    }
    return report.problems.isEmpty ? .done : .no
}

private func summary(_ report: IntegrityReport, path: String, kind: String) -> String {
    let count = "\(NumberText.grouped(report.tensorCount)) tensor\(report.tensorCount == 1 ? "" : "s")"
    let tensors = "\(count), \(NumberText.byteCount(report.checkedByteCount))"
    guard report.problems.isEmpty else {
        return
            "\(path): DAMAGED, \(report.problems.count) problem\(report.problems.count == 1 ? "" : "s") in \(tensors); fetch or convert it again"
    }
    let covered =
        switch report.checksumCount {
        case 0: "the format keeps no checksums: structure and finite values are all that can be checked"
        case report.tensorCount: "every checksum is right"
        default: "\(NumberText.grouped(report.checksumCount)) checksums of tensors and those of the parts of others are right"
        }
    return "\(path): \(kind), sound; \(tensors); \(covered)"
}
