import ByteIO
import Checkpoints
import CommandLineKit
import Comparison
import Inspection
import Reports
import ToolSupport

/// `qinspect report`.
func report(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let path = arguments.positional(always: "file"), sourcePath = arguments.positional("source")
    let checkpoint = try console.openCheckpoint(path, for: .looking)
    let source = try sourcePath.map { try console.openCheckpoint($0, for: .looking) }
    let destination = arguments.string(always: "output")
    let output = try AtomicOutput(
        destination: destination, replaces: arguments.flag("force"), inputs: checkpoint.inputFiles + (source?.inputFiles ?? []))
    let readByteCount = ReportContent.readByteCount(checkpoint, against: source)
    let progress = console.progress("looking", total: readByteCount)
    let resources = try arguments.resources(for: [checkpoint] + (source.map { [$0] } ?? []), progress: progress)
    let content = try ReportContent(
        checkpoint, path: path, against: source, sourcePath: sourcePath, maker: "qinspect \(toolVersion)", resources: resources)
    progress.finish()
    let byteCount = try ReportPage(content).write(to: output)
    try console.writeLine("\(destination): \(NumberText.byteCount(byteCount))")
    console.note(measures.summary(byteCount: readByteCount))
    let integrity = content.integrity
    guard integrity.isSound else {
        let count = integrity.problems.count + integrity.flaws.count
        console.warning(
            "\(path): is \(integrity.problems.isEmpty ? "unsound" : "damaged"), \(count) problem\(count == 1 ? "" : "s")",
            hint: "'qinspect check' lists all")
        return .no
    }
    return .done
}
