import Checkpoints
import CommandLineKit
import Conversion
import JSONText
import Streaming
import TensorCore
import ToolSupport

/// `qconvert to-mlx`.
func toMLX(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let checkpoint = try console.openCheckpoint(arguments.positional(always: "model"), for: .computing)
    let type = denseType(arguments), limit = arguments.byteCount(always: "max-shard-size"), path = arguments.string(always: "output")
    guard let bits = arguments.string("bits").flatMap({ Int($0) }) else {
        guard arguments.string("group-size") == nil else {
            throw UsageError("--group-size is for codes, but the folder is dense", hint: "add --bits")
        }
        return try toDenseMLX(try ExportPlan(checkpoint, form: .dense(type)), limit, path, arguments, console)
    }
    let groupSize = arguments.string("group-size").flatMap { Int($0) } ?? 64
    let plan = try MLXExportPlan(checkpoint, bits: bits, groupSize: groupSize, castingTo: type)
    let measures = RunMeasures()
    if arguments.flag("dry-run") {
        return try tell(path, bytes: plan.byteCount, isDone: false, measures, arguments, console)
    }
    if let first = plan.unquantized.first {
        console.note(
            "\(NumberText.grouped(plan.unquantized.count)) matrices like '\(first)' stay dense: their rows are no whole groups of \(groupSize)"
        )
    }
    if checkpoint.tensors.contains(where: { $0.quantized != nil || $0.isEncoded }) {
        console.note("weights that are codes already become other ones: what they lost adds up; the dense model loses least")
    }
    let progress = console.progress("exporting", total: checkpoint.storedByteCount)
    let resources = try arguments.resources(for: [checkpoint], plannedTensorCount: checkpoint.tensors.count, progress: progress)
    let result = try MLXExport(plan, resources: resources)
        .run(folder: path, maximumShardByteCount: limit, replaces: arguments.flag("force"))
    progress.finish()
    return try tell(path, bytes: result.files.reduce(0) { $0 + $1.byteCount }, isDone: true, measures, arguments, console)
}

private func toDenseMLX(
    _ plan: ExportPlan, _ limit: Int, _ path: String, _ arguments: ParsedArguments, _ console: Console
) throws -> ExitCode {
    let measures = RunMeasures()
    if arguments.flag("dry-run") {
        let bytes = plan.outputs.reduce(0) { $0 + $1.info.byteCount }
        return try tell(path, bytes: bytes, isDone: false, measures, arguments, console)
    }
    let progress = console.progress("exporting", total: plan.inputByteCount)
    let resources = try arguments.resources(for: [plan.checkpoint], plannedTensorCount: plan.outputs.count, progress: progress)
    let result = try Export(plan, resources: resources)
        .run(folder: path, maximumShardByteCount: limit, replaces: arguments.flag("force"))
    progress.finish()
    for warning in result.warnings { console.warning(warning) }
    return try tell(path, bytes: result.files.reduce(0) { $0 + $1.byteCount }, isDone: true, measures, arguments, console)
}

private func tell(
    _ path: String, bytes: Int, isDone: Bool, _ measures: RunMeasures, _ arguments: ParsedArguments, _ console: Console
) throws -> ExitCode {
    if arguments.flag("json") {
        try console.writeJSON([
            "output": .string(path), "bytes": .integer(bytes), "written": .bool(isDone), "seconds": .double(measures.seconds),
            "peak_memory": .integer(measures.peakMemory),
        ])
    } else {
        try console.writeLine("\(path): \(isDone ? "folder for MLX" : "would be a folder for MLX"), \(NumberText.byteCount(bytes))")
    }
    return .done
}
