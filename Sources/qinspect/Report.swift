import ByteIO
import Checkpoints
import CommandLineKit
import Operations
import ToolSupport

/// `qinspect report`.
func report(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let path = arguments.positional(always: "file"), sourcePath = arguments.positional("source")
    let checkpoint = try console.openCheckpoint(path)
    let source = try sourcePath.map(console.openCheckpoint)
    let destination = arguments.string(always: "output")
    let output = try AtomicOutput(
        destination: destination, replaces: arguments.flag("force"), inputs: checkpoint.inputFiles + (source?.inputFiles ?? []))
    let readByteCount = checkpoint.storedByteCount + (source?.storedByteCount ?? 0)
    let progress = console.progress("looking", total: readByteCount)
    let resources = try arguments.resources(for: [checkpoint] + (source.map { [$0] } ?? []), progress: progress)
    let integrity = try IntegrityCheck(checkpoint, resources: resources).run()
    let comparison = try source.map { try ModelDiff($0, checkpoint, resources: resources).run() }
    progress.finish()
    let content = ReportContent(
        checkpoint, path: path, integrity: integrity, comparison: comparison, sourcePath: sourcePath, toolVersion: toolVersion)
    let bytes = Array(ReportPage(content: content).text.utf8)
    let file = try output.file()
    try file.write(bytes, atOffset: 0)
    try output.commit([file])
    try console.writeLine("\(destination): \(NumberText.byteCount(bytes.count))")
    console.note(measures.summary(byteCount: readByteCount))
    guard integrity.problems.isEmpty else {
        let count = integrity.problems.count
        console.warning("\(path): is damaged, \(count) problem\(count == 1 ? "" : "s")", hint: "'qinspect check' lists all")
        return .no
    }
    return .done
}
