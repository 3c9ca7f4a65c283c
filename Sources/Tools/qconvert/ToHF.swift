import Checkpoints
import CommandLineKit
import Conversion
import JSONText
import Parts
import Streaming
import TensorCore
import ToolSupport

/// `qconvert to-hf`.
func toHF(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let type = denseType(arguments)
    let checkpoint = try console.openCheckpoint(arguments.positional(always: "model"), for: .computing)
    let isQuantized = checkpoint.tensors.contains { $0.quantized != nil }
    guard type == nil || arguments.flag("dequantize") || !isQuantized else {
        throw UsageError("--dtype is for dense weights, but this model is 4-bit", hint: "add --dequantize")
    }
    let isDense = arguments.flag("dequantize") || !isQuantized
    let plan = try ExportPlan(checkpoint, form: isDense ? .dense(type) : .quantized)
    if let first = plan.expanded.first {
        console.note(
            plan.expanded.count == 1
                ? "'\(first)' is written dense: transformers has no 4-bit layer of its kind"
                : "\(NumberText.grouped(plan.expanded.count)) tensors like '\(first)' are written dense: transformers has no 4-bit layers of "
                    + "their kind")
    }
    if let obstacle = plan.loadingObstacle { console.warning(obstacle, hint: "--dequantize writes a folder that it loads") }
    let limit = arguments.byteCount(always: "max-shard-size")
    if try arguments.resumes() || arguments.part() != nil {
        let options = arguments.typed(texts: ["dtype"], byteCounts: ["max-shard-size"], flags: ["dequantize", "allow-nonfinite"])
        let settings = Export.PartSettings(
            tool: "qconvert \(toolVersion)", command: "to-hf", options: options, maximumShardByteCount: limit)
        return try exportParts(plan, limit: limit, settings, arguments, console)
    }
    return try export(plan, limit: limit, arguments, console) { export, path in
        try export.run(folder: path, maximumShardByteCount: limit, replaces: arguments.flag("force"))
    }
}

/// `qconvert to-safetensors`.
func toSafetensors(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let checkpoint = try console.openCheckpoint(
        arguments.positional(always: "model"), for: .computing, takesPlainFloat8: arguments.flag("plain-float8"))
    let plan = try ExportPlan(checkpoint, form: .dense(denseType(arguments)))
    if try arguments.resumes() || arguments.part() != nil {
        let options = arguments.typed(texts: ["dtype"], flags: ["plain-float8", "allow-nonfinite"])
        let settings = Export.PartSettings(
            tool: "qconvert \(toolVersion)", command: "to-safetensors", options: options, maximumShardByteCount: nil)
        return try exportParts(plan, limit: .max, settings, arguments, console)
    }
    return try export(plan, limit: .max, arguments, console) { export, path in
        try export.run(file: path, replaces: arguments.flag("force"))
    }
}

private func export(
    _ plan: ExportPlan, limit: Int, _ arguments: ParsedArguments, _ console: Console, _ run: (Export, String) throws -> ExportReport
) throws -> ExitCode {
    let measures = RunMeasures()
    let path = arguments.string(always: "output")
    if arguments.flag("dry-run") { return try describe(plan, limit: limit, path: path, arguments, console) }
    let progress = console.progress("exporting", total: plan.inputByteCount)
    let resources = try arguments.resources(for: [plan.checkpoint], plannedTensorCount: plan.outputs.count, progress: progress)
    let result = try run(Export(plan, resources: resources, allowsNonfinite: arguments.flag("allow-nonfinite")), path)
    progress.finish()
    for warning in result.warnings { console.warning(warning) }
    warn(of: result.narrowing, arguments, console)
    try report(result, plan, path: path, measures, arguments, console)
    return .done
}

/// One part, or all of them.
private func exportParts(
    _ plan: ExportPlan, limit: Int, _ settings: Export.PartSettings, _ arguments: ParsedArguments, _ console: Console
) throws -> ExitCode {
    let measures = RunMeasures()
    func export(_ part: PartNumber, _ path: String, _ progress: Progress) throws -> PartReport {
        let resources = try arguments.resources(for: [plan.checkpoint], plannedTensorCount: plan.outputs.count, progress: progress)
        return try Export(plan, resources: resources, allowsNonfinite: arguments.flag("allow-nonfinite"))
            .run(part, path: path, settings, existing: arguments.existingPart)
    }
    guard let part = try arguments.part() else {
        if arguments.flag("dry-run") {
            return try describe(plan, limit: limit, path: arguments.string(always: "output"), arguments, console)
        }
        return try resume(inputByteCount: plan.inputByteCount, measures, arguments, console) { try export($1, $2, $0) }
    }
    let share = try plan.share(of: part, maximumShardByteCount: limit)
    if arguments.flag("dry-run") { return try describe(part, share, arguments, console) }
    let progress = console.progress("exporting", total: share.inputByteCount)
    let made = try export(part, arguments.string(always: "output"), progress)
    progress.finish()
    warn(of: made.results.narrowing, arguments, console)
    return try report(made, share: share, measures, arguments, console)
}

private func report(
    _ result: ExportReport, _ plan: ExportPlan, path: String, _ measures: RunMeasures, _ arguments: ParsedArguments, _ console: Console
) throws {
    let byteCount = result.files.reduce(0) { $0 + $1.byteCount }
    guard !arguments.flag("json") else {
        return try console.writeJSON([
            "output": .string(path), "bytes": .integer(byteCount), "input_bytes": .integer(plan.inputByteCount),
            "files": .array(result.files.map { .object(["name": .string($0.name), "bytes": .integer($0.byteCount)]) }),
            "overflows": .integer(result.narrowing.overflows), "underflows": .integer(result.narrowing.underflows),
            "seconds": .double(measures.seconds), "peak_memory": .integer(measures.peakMemory),
        ])
    }
    var table = Table([.init("file", canShrink: true), .init("bytes", .right)])
    for file in result.files { table.addRow([.init(file.name), .init(NumberText.grouped(file.byteCount))]) }
    if result.files.count > 1 { table.addTotal([.init(path), .init(NumberText.grouped(byteCount))]) }
    try console.write(table)
    console.note(measures.summary(byteCount: plan.inputByteCount))
}

private func describe(
    _ plan: ExportPlan, limit: Int, path: String, _ arguments: ParsedArguments, _ console: Console
) throws -> ExitCode {
    let sizes = plan.shards(maximumByteCount: limit).map { $0.reduce(0) { $0 + $1.info.byteCount } }
    let total = sizes.reduce(0, +)
    if arguments.flag("json") {
        try console.writeJSON([
            "output": .string(path), "tensors": .integer(plan.outputs.count), "data_bytes": .integer(total),
            "shards": .array(sizes.map { .integer($0) }),
        ])
    } else {
        try console.writeLine(
            "\(path) would hold \(plan.outputs.count) tensors of \(NumberText.exactByteCount(total)) in "
                + "\(sizes.count) safetensors file\(sizes.count == 1 ? "" : "s")")
    }
    return .done
}
