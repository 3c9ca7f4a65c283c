import ByteIO
import Checkpoints
import CommandLineKit
import Operations
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
    // The model is read for its checksums, for what is in it, and against its source.
    let readByteCount = 2 * checkpoint.storedByteCount + (source?.storedByteCount ?? 0)
    let progress = console.progress("looking", total: readByteCount)
    let resources = try arguments.resources(for: [checkpoint] + (source.map { [$0] } ?? []), progress: progress)
    let integrity = try IntegrityCheck(checkpoint, resources: resources).run()
    // The values of a damaged file mean nothing, and some cannot even be read.
    let isReadable = integrity.problems.isEmpty
    let values = try isReadable ? ReportValues(checkpoint, resources: resources) : nil
    let comparison = try isReadable ? source.map { try ModelDiff($0, checkpoint, resources: resources).run() } : nil
    progress.finish()
    let content = ReportContent(
        checkpoint, path: path, integrity: integrity, values: values, comparison: comparison, sourcePath: sourcePath,
        toolVersion: toolVersion)
    let bytes = Array(ReportPage(content: content).text.utf8)
    let file = try output.file()
    try file.write(bytes, atOffset: 0)
    try output.commit([file])
    try console.writeLine("\(destination): \(NumberText.byteCount(bytes.count))")
    console.note(measures.summary(byteCount: readByteCount))
    guard integrity.isSound else {
        let count = integrity.problems.count + integrity.flaws.count
        console.warning(
            "\(path): is \(isReadable ? "unsound" : "damaged"), \(count) problem\(count == 1 ? "" : "s")",
            hint: "'qinspect check' lists all")
        return .no
    }
    return .done
}
