import ByteIO
import Checkpoints
import CommandLineKit
import Conversion
import GGUFFormat
import JSONText
import Parts
import Quantization
import Streaming
import TensorCore
import ToolSupport

/// What `qconvert to-gguf` is asked for.
private struct GGUFOptions {
    let output: String
    let mixture: GGUFMixture
    let name: String?
    /// What llama-imatrix saw.
    let importance: ImportanceFile?
    let byteCountLimit: Int?
    let replaces: Bool

    init(_ arguments: ParsedArguments) throws {
        let type = arguments.string(always: "type")
        guard var mixture = GGUFMixture(named: type) else {
            throw UsageError(
                "--type \(type) is no type that is written", hint: "these are: " + GGUFMixture.all.map(\.name).joined(separator: ", "))
        }
        mixture.isPure = arguments.flag("pure")
        self.mixture = mixture
        output = arguments.string(always: "output")
        name = arguments.string("name")
        importance = try arguments.string("imatrix").map { try ImportanceFile(path: $0) }
        byteCountLimit = arguments.isGiven("max-shard-size") ? arguments.byteCount(always: "max-shard-size") : nil
        replaces = arguments.flag("force")
    }
}

/// `qconvert to-gguf`.
func toGGUF(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let options = try GGUFOptions(arguments)
    let part = try arguments.part(), resumes = try arguments.resumes()
    guard options.importance == nil || part == nil && !resumes else {
        throw UsageError(
            "--\(resumes ? "resume" : "part") and --imatrix exclude each other: parts do not say which imatrix they were made with",
            hint: "write the file in one go")
    }
    let checkpoint = try console.openCheckpoint(arguments.positional(always: "model"), for: .computing)
    let model = try checkpoint.describedModel()
    let keys = try GGUFKeys(
        of: checkpoint, model, name: try options.name ?? name(of: checkpoint), fileType: options.mixture.fileType)
    for remark in keys.remarks { console.warning(remark) }
    let plan = try GGUFExportPlan(
        checkpoint, model, options.mixture, factors: keys.factors, importance: options.importance)
    if let file = options.importance { try tell(plan, file, console) }
    if plan.quantizesAgain {
        console.note(
            "the weights were rounded to few bits before and are rounded again to \(options.mixture.name): what that loses comes on top; "
                + "--type bf16\(options.mixture.name == "Q8_0" ? "" : " or q8_0") loses less, and a file made of the original weights least"
        )
    }
    if part == nil, arguments.flag("dry-run") { return try describe(plan, options, arguments, console) }
    if resumes || part != nil { return try exportParts(part, plan, keys, options, measures, arguments, console) }
    let progress = console.progress("writing", total: plan.inputByteCount)
    let resources = try arguments.resources(for: [checkpoint], plannedTensorCount: plan.outputs.count, progress: progress)
    let metadata = keys.entries + (options.importance.map { entries(of: $0) } ?? [])
    let result = try GGUFExport(plan, metadata: metadata, resources: resources)
        .run(path: options.output, byteCountLimit: options.byteCountLimit, replaces: options.replaces)
    progress.finish()
    if result.underflows > 0 {
        console.warning("\(NumberText.grouped(result.underflows)) values were too small for the 16-bit type and became zero")
    }
    try report(result, plan, options, measures, arguments, console)
    return .done
}

/// One part, or all of them.
private func exportParts(
    _ part: PartNumber?, _ plan: GGUFExportPlan, _ keys: GGUFKeys, _ options: GGUFOptions, _ measures: RunMeasures,
    _ arguments: ParsedArguments, _ console: Console
) throws -> ExitCode {
    let typed = arguments.typed(texts: ["type", "name"], byteCounts: ["max-shard-size"], flags: ["pure"])
    func export(_ part: PartNumber, _ path: String, _ progress: Progress) throws -> PartReport {
        let resources = try arguments.resources(for: [plan.checkpoint], plannedTensorCount: plan.outputs.count, progress: progress)
        return try GGUFExport(plan, metadata: keys.entries, resources: resources).run(
            part, path: path, tool: "qconvert \(toolVersion)", options: typed, byteCountLimit: options.byteCountLimit,
            existing: arguments.existingPart)
    }
    guard let part else {
        return try resume(inputByteCount: plan.inputByteCount, measures, arguments, console) { try export($1, $2, $0) }
    }
    let share = try plan.share(of: part)
    if arguments.flag("dry-run") { return try describe(part, share, arguments, console) }
    let progress = console.progress("writing", total: plan.inputByteCount(of: share))
    let made = try export(part, options.output, progress)
    progress.finish()
    if made.results.narrowing.underflows > 0 {
        console.warning(
            "\(NumberText.grouped(made.results.narrowing.underflows)) values were too small for the 16-bit type and became zero")
    }
    return try report(made, share: share, measures, arguments, console)
}

/// What an imatrix says nothing of, or where it is of no use.
private func tell(_ plan: GGUFExportPlan, _ file: ImportanceFile, _ console: Console) throws {
    let (with, without) = plan.weighed
    guard !with.isEmpty else {
        throw Failure(
            without.isEmpty
                ? "--imatrix is of no use for \(plan.mixture.name), whose blocks are not searched for"
                : "\(file.path) says nothing of the weights of \(plan.checkpoint.path): it is of another model",
            hint: without.first.map { "names are those of GGUF files: '\($0)'" })
    }
    let missing = without.filter { $0 != "output.weight" && $0 != "token_embd.weight" }
    if let first = missing.first {
        console.warning("\(file.path) says nothing of \(missing.count) weights like '\(first)': these are stored as without it")
    }
}

/// As llama-quantize tells of it.
private func entries(of file: ImportanceFile) -> [GGUFMetadata.Entry] {
    [.init("quantize.imatrix.file", .string(FilePath.name(of: file.path)))]
        + (file.texts.first.map { [.init("quantize.imatrix.dataset", .string($0))] } ?? [])
        + [.init("quantize.imatrix.entries_count", .i32(Int32(clamping: file.entries.count)))]
}

/// The name that the source gives itself, else that of its file or folder.
private func name(of checkpoint: Checkpoint) throws -> String {
    if let stated = try checkpoint.gguf?.metadata.string("general.name") { return stated }
    let name = FilePath.name(of: checkpoint.path)
    return [".gguf", ".qnf", ".safetensors"].first(where: name.hasSuffix).map { String(name.dropLast($0.count)) } ?? name
}

private func report(
    _ result: GGUFExportReport, _ plan: GGUFExportPlan, _ options: GGUFOptions, _ measures: RunMeasures, _ arguments: ParsedArguments,
    _ console: Console
) throws {
    let byteCount = result.files.reduce(0) { $0 + $1.byteCount }
    let bits = plan.elementCount == 0 ? 0 : 8 * Double(byteCount) / Double(plan.elementCount)
    guard !arguments.flag("json") else {
        return try console.writeJSON([
            "output": .string(options.output), "type": .string(options.mixture.name), "bytes": .integer(byteCount),
            "input_bytes": .integer(plan.inputByteCount), "tensors": .integer(plan.outputs.count), "bits_per_weight": .double(bits),
            "relative_error": result.relativeError.map { .double($0) } ?? .null,
            "files": .array(result.files.map { .object(["name": .string($0.name), "bytes": .integer($0.byteCount)]) }),
            "underflows": .integer(result.underflows), "seconds": .double(measures.seconds),
            "peak_memory": .integer(measures.peakMemory),
        ])
    }
    let loss = result.relativeError.map { ", error \(NumberText.fixed(100 * $0, decimals: 2)) % of the weights (RMS)" } ?? ""
    let parts = result.files.count == 1 ? "" : " in \(result.files.count) files"
    try console.writeLine(
        "\(options.output): \(options.mixture.name), \(plan.outputs.count) tensors\(parts), \(NumberText.byteCount(byteCount)) "
            + "(\(NumberText.fixed(bits, decimals: 2)) bits/weight)\(loss)")
    console.note(measures.summary(byteCount: plan.inputByteCount))
}

/// What `--dry-run` prints: every tensor with the type that it would get.
private func describe(
    _ plan: GGUFExportPlan, _ options: GGUFOptions, _ arguments: ParsedArguments, _ console: Console
) throws -> ExitCode {
    guard !arguments.flag("json") else {
        try console.writeJSON([
            "output": .string(options.output), "type": .string(options.mixture.name),
            "tensors": .array(
                plan.outputs.map {
                    .object([
                        "name": .string($0.name), "shape": .array($0.shape.dimensions.map { .integer($0) }),
                        "type": .string("\($0.storage.type)"),
                    ])
                }),
        ])
        return .done
    }
    var table = Table([.init("tensor", canShrink: true), .init("shape"), .init("type")])
    for output in plan.outputs { table.addRow([.init(output.name), .init(output.shape.description), .init("\(output.storage.type)")]) }
    table.addTotal([.init("\(plan.outputs.count) tensors"), .init(NumberText.grouped(plan.elementCount)), .init(options.mixture.name)])
    try console.write(table)
    return .done
}
