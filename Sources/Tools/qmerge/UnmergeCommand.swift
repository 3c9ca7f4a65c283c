import Checkpoints
import CommandLineKit
import JSONText
import Merging
import ToolSupport

/// `qmerge --unmerge MERGED -o BASE`.
func unmerge(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let inputs = arguments.positionals("input"), path = arguments.string(always: "output")
    guard inputs.count == 1 else { throw UsageError("--unmerge takes one model, but \(inputs.count) are named") }
    let merged = try console.openCheckpoint(inputs[0], for: .looking)
    let operation = try Unmerge(merged, all: arguments.flag("all"))
    let left = operation.recordCount - operation.stepCount
    if !arguments.flag("dry-run") {
        let progress = console.progress("unmerging", total: operation.outputByteCount)
        try operation.run(
            path: path, replaces: arguments.flag("force"), resources: try arguments.resources(for: [merged], progress: progress))
        progress.finish()
    }
    if arguments.flag("json") {
        try console.writeJSON([
            "output": .string(path), "bytes": .integer(operation.outputByteCount), "undone": .integer(operation.stepCount),
            "left": .integer(left), "seconds": .double(measures.seconds), "peak_memory": .integer(measures.peakMemory),
        ])
        return .done
    }
    let what =
        "\(NumberText.exactByteCount(operation.outputByteCount)), \(operation.stepCount) merge\(operation.stepCount == 1 ? "" : "s") undone"
    let rest = left > 0 ? "; \(left) earlier left (--all undoes them, too)" : ""
    try console.writeLine(
        arguments.flag("dry-run")
            ? "\(path) would be the base again: \(what)\(rest)" : "\(path): the base again, every checksum is right; \(what)\(rest)")
    if !arguments.flag("dry-run") { console.note(measures.summary(byteCount: merged.storedByteCount)) }
    return .done
}
