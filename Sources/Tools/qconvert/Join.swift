import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import Parts
import Streaming
import ToolSupport

let joinCommand = Command(
    "join", summary: "put the parts of a conversion together",
    discussion: """
        Parts are what 'to-nf4', 'to-hf', 'to-safetensors' and 'to-gguf' write with --part. They may be named in any order, \
        all of them and each once; what is missing is told as a range for 'sbatch --array'. The output has the bytes that one \
        run without --part would have written. Weights are copied by the file system, and are not looked at unless --verify \
        asks for it. The parts stay where they are.
        """,
    arguments: [Argument("part", .oneOrMore, help: "parts of one conversion: OUTPUT.part-*")],
    options: [
        .output.required(),
        .flag("verify", help: "read what was copied, and compare its checksums"),
        .threads, .force, .json,
    ],
    example: "qconvert join tinyllama.qnf.part-* -o tinyllama.qnf", run: join)

/// `qconvert join`.
private func join(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    console.onTermination { TemporaryFiles.removeAll() }
    let path = arguments.string(always: "output")
    let set = try PartSet(paths: arguments.positionals("part"))
    let byteCount = PartJoin.byteCount(of: set)
    let progress = console.progress("joining", total: byteCount)
    let resources = try Resources(threadCount: arguments.integer("threads"), progress: { progress.advance(by: $0) })
    let report = try PartJoin(set, resources: resources)
        .run(path: path, replaces: arguments.flag("force"), verifies: arguments.flag("verify"))
    progress.finish()
    try tell(report, of: set.frame, partCount: set.parts.count, path: path, measures, arguments, console)
    console.note(measures.summary(byteCount: byteCount))
    return .done
}

/// Makes an output of parts that are kept where the run is killed.
///
/// - Parameters:
///   - inputByteCount: of the source.
///   - make: a part, beside the path that it is given; its progress is told to the first of its arguments.
func resume(
    inputByteCount: Int, _ measures: RunMeasures, _ arguments: ParsedArguments, _ console: Console,
    make: (Progress, PartNumber, String) throws -> PartReport
) throws -> ExitCode {
    let path = arguments.string(always: "output")
    let progress = console.progress("converting", total: inputByteCount)
    let (report, frame, keptCount, partCount) = try Resumption(output: path, inputByteCount: inputByteCount).run(
        replaces: arguments.flag("force"), make: { try make(progress, $0, $1) },
        resources: { _ in
            progress.finish()
            return try Resources(threadCount: arguments.integer("threads"))
        })
    try tell(report, of: frame, partCount: partCount, path: path, measures, arguments, console)
    if keptCount > 0 { console.note("\(keptCount) of \(partCount) parts were there already") }
    console.note(measures.summary(byteCount: inputByteCount))
    return .done
}

/// What is said of a joined output.
private func tell(
    _ report: JoinReport, of frame: PartFrame, partCount: Int, path: String, _ measures: RunMeasures, _ arguments: ParsedArguments,
    _ console: Console
) throws {
    let results = report.results
    warn(ofNonfinite: results, console)
    for warning in results.warnings { console.warning(warning) }
    if results.narrowing.overflows > 0 {
        console.warning("\(NumberText.grouped(results.narrowing.overflows)) values were too large for their new type and became infinite")
    }
    if results.narrowing.underflows > 0 {
        console.warning("\(NumberText.grouped(results.narrowing.underflows)) values were too small for their new type and became zero")
    }
    let total = report.files.reduce(0) { $0 + $1.byteCount }
    guard !arguments.flag("json") else {
        return try console.writeJSON([
            "output": .string(path), "command": .string(frame.command), "parts": .integer(partCount),
            "tensors": .integer(frame.tensors.count), "bytes": .integer(total),
            "files": .array(report.files.map { .object(["name": .string($0.name), "bytes": .integer($0.byteCount)]) }),
            "fingerprint": report.fingerprint.map { .string($0.description) } ?? .null,
            "overflows": .integer(results.narrowing.overflows), "underflows": .integer(results.narrowing.underflows),
            "relative_error": results.relativeError.map { .double($0) } ?? .null, "seconds": .double(measures.seconds),
            "peak_memory": .integer(measures.peakMemory),
        ])
    }
    let loss = results.relativeError.map { ", error \(NumberText.fixed(100 * $0, decimals: 2)) % of the weights (RMS)" } ?? ""
    let files = report.files.count == 1 ? "" : " in \(report.files.count) files"
    try console.writeLine(
        "\(path): \(frame.command) in \(partCount) part\(partCount == 1 ? "" : "s"), "
            + "\(NumberText.grouped(frame.tensors.count)) tensors\(files), \(NumberText.byteCount(total))\(loss)")
}
