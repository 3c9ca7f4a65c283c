import Adapters
import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import MergeSupport
import Merging
import TensorCore
import ToolSupport

/// `qmerge BASE ADAPTER... -o OUTPUT`.
func merge(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let inputs = arguments.positionals("input"), path = arguments.string(always: "output")
    let part = try arguments.part()
    try checkParts(part, arguments)
    guard inputs.count >= 2 else {
        throw UsageError("a base and at least one adapter are needed", hint: "qmerge BASE ADAPTER -o OUTPUT")
    }
    let words = try inputs.dropFirst().map { word throws(UsageError) in try AdapterWord(word) }
    let base = try console.openCheckpoint(inputs[0], for: .computing)
    let adapters = try words.map { WeightedAdapter(try console.openAdapter($0.path), weight: $0.weight) }
    for weighted in adapters { try console.warnOfCopies(in: weighted.adapter, for: base) }
    let reference = try arguments.string("reference").map { try console.openCheckpoint($0, for: .computing) }
    let (form, isFolder) = try outputForm(base, path, arguments)
    var plan = try MergePlan(base: base, reference: reference, adapters: adapters, form: form, keepsUndo: !arguments.flag("no-undo"))
    plan.tokenizer = try AdapterTokenizer.files(
        arguments.string("tokenizer").flatMap(AdapterTokenizer.Choice.init), of: adapters.map(\.adapter), base: reference ?? base,
        isResized: plan.vocabularySize != nil, console)
    warnOfStrangers(plan, console)
    if plan.changes.isEmpty { console.warning("the adapters add nothing: all of their deltas are zero") }
    if arguments.flag("dry-run") { return try describe(plan, path, arguments, console) }
    let choice = MergeOptions(arguments)
    if part != nil || arguments.flag("join") { try checkParts(plan, choice) }
    if let part { return try mergePart(part, plan, path: path, isFolder: isFolder, measures, arguments, console) }
    let parts = arguments.flag("join") ? try MergeParts(ofOutput: path) : nil
    let measurement = try MergeMeasurement(
        arguments, base: arguments.string("reference") ?? inputs[0], adapters: Array(inputs.dropFirst()), canRun: isFolder || form == .qnf,
        console)
    let calibrated = try calibrated(plan, choice, arguments, console), flips = try flips(plan, choice, arguments, console)
    let byteCount = parts == nil ? plan.inputByteCount : try Merge.outputByteCount(plan)
    let progress = console.progress(parts == nil ? "merging" : "joining", total: byteCount)
    let resources = try arguments.resources(for: [base] + (reference.map { [$0] } ?? []), progress: progress)
    let merge = Merge(
        plan, resources: resources, toolVersion: toolVersion, options: effectiveOptions(arguments), flips: flips, calibrated: calibrated,
        parts: parts)
    try merge.checkParts()
    let outcome = try merge.run(
        path: path, isFolder: isFolder, replaces: arguments.flag("force"), refusesOverflow: arguments.flag("strict"))
    progress.finish()
    for warning in outcome.warnings { console.warning(warning) }
    if let first = outcome.overflows.first { warnOfOverflow(first, outcome, path, console) }
    guard outcome.isWritten else {
        if arguments.flag("json") { try writeJSON(outcome, plan, path: path, lost: 0, nil, measures, console) }
        return .no
    }
    noteChanges(plan, isFolder: isFolder, console)
    let lost = outcome.report.rows.filter { !($0.survival >= arguments.number(always: "min-survival")) }
    let predictions = try measurement?.run(merged: path, console)
    if arguments.flag("json") {
        try writeJSON(outcome, plan, path: path, lost: lost.count, predictions, measures, console)
    } else {
        try console.write(table(outcome.report, all: arguments.flag("list")))
        try console.writeLine(summary(outcome, plan, path: path))
        for line in predictions?.lines ?? [] { try console.writeLine(line.terminalSafe) }
        console.note(measures.summary(byteCount: byteCount))
    }
    if !lost.isEmpty { warn(lost, outcome.report, plan, arguments, console) }
    return lost.isEmpty || !arguments.flag("strict") ? .done : .no
}

/// Which form the output has, and whether it is a folder.
private func outputForm(_ base: Checkpoint, _ path: String, _ arguments: ParsedArguments) throws -> (MergePlan.Form, isFolder: Bool) {
    let isFile = path.hasSuffix(".safetensors")
    switch arguments.string("to") {
    case let name?:
        guard !path.hasSuffix(".qnf") else {
            throw UsageError(
                "--to \(name) writes a dense model, but '\(path)' is the name of a .qnf", hint: "leave --to out, or rename the output")
        }
        let type: ScalarType = name == "f32" ? .f32 : name == "f16" ? .f16 : .bf16
        return (.export(type), !isFile)
    case nil where base.kind == .qnf:
        guard !isFile else {
            throw UsageError(
                "the base is a .qnf, and so is what a merge makes of it, but '\(path)' is the name of a dense model",
                hint: "--to bf16 writes one")
        }
        return (.qnf, false)
    case nil:
        guard arguments.string("reference") == nil else {
            throw UsageError("--reference stands for the weights of a 4-bit base, but \(base.path) is a \(base.kind.title)")
        }
        guard !path.hasSuffix(".qnf") else {
            throw UsageError(
                "the base is no .qnf, and neither is what a merge makes of it, but '\(path)' is the name of one",
                hint: "qconvert to-nf4 makes a .qnf, of the base or of the merged model")
        }
        let isFolder = base.kind == .huggingFace
        guard base.kind.layout == .bitsandbytes || !isFolder || !isFile else {
            throw UsageError(
                "the base is a folder, and so is what a merge makes of it, but '\(path)' is the name of a file",
                hint: "--to bf16 writes one file")
        }
        return (.sameFiles, isFolder)
    }
}

/// An adapter that says what it was trained on, and this is not it.
private func warnOfStrangers(_ plan: MergePlan, _ console: Console) {
    guard let found = plan.base.metadata?.fingerprint.description else { return }
    for weighted in plan.adapters {
        guard let stated = weighted.adapter.baseFingerprint, stated != found else { continue }
        console.warning(
            "\(weighted.adapter.path) was trained on a base with the fingerprint \(stated.prefix(15))..., but that of \(plan.base.path) is "
                + "\(found.prefix(15))...")
    }
}

private func warnOfOverflow(_ first: (name: String, count: Int), _ outcome: MergeOutcome, _ path: String, _ console: Console) {
    let count = outcome.overflows.reduce(0) { $0 + $1.count }
    let values = count == 1 ? "1 merged value is" : "\(NumberText.grouped(count)) merged values are"
    console.warning(
        "\(values) too large for the type, the first in '\(first.name.terminalSafe)', and "
            + (outcome.isWritten ? "became infinite" : "\(path) is not written"),
        hint: "--to f32 or --to bf16 has room for them")
}

/// What is no longer as in the base, besides values.
private func noteChanges(_ plan: MergePlan, isFolder: Bool, _ console: Console) {
    var settings: [String] = []
    if let name = plan.untiedHead {
        console.note("the output head was tied to the embedding, and one of the two changed alone: '\(name)' is stored on its own")
        settings.append("tie_word_embeddings to false")
    }
    if let count = plan.vocabularySize {
        console.note("embedding and output head have \(count) rows now, as in the adapter")
        settings.append("vocab_size to \(count)")
    }
    for name in plan.taskHeads {
        console.note(
            "'\(name.terminalSafe)' is the head of a task: it is kept under its name, where transformers looks for it, and is no part of the "
                + "language model")
    }
    let hasConfig = isFolder || plan.form == .qnf
    if !hasConfig, !settings.isEmpty {
        console.warning("set \(settings.joined(separator: " and ")) in the config.json that goes with the output")
    }
}

/// The options that shape the result, as they would be typed; the lineage keeps them.
func effectiveOptions(_ arguments: ParsedArguments) -> [String] {
    var options: [String] = []
    if let type = arguments.string("to") { options.append("--to \(type)") }
    if let method = arguments.string("method"), arguments.isGiven("method") { options.append("--method \(method)") }
    for path in arguments.strings("calibrate") { options.append("--calibrate \(FilePath.name(of: path))") }
    if arguments.isGiven("tokens"), let count = arguments.integer("tokens") { options.append("--tokens \(count)") }
    if let reference = arguments.string("reference") { options.append("--reference \(FilePath.name(of: reference))") }
    if let choice = arguments.string("tokenizer") { options.append("--tokenizer \(choice)") }
    if arguments.flag("no-undo") { options.append("--no-undo") }
    return options
}

/// What `--dry-run` prints: every tensor that would change.
private func describe(_ plan: MergePlan, _ path: String, _ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let byteCount = try Merge.outputByteCount(plan)
    if arguments.flag("json") {
        let changes = plan.changes.map { change -> JSONValue in
            .object([
                "name": .string(change.name), "shape": .array(change.shape.dimensions.map { .integer($0) }),
                "change": .string(change.change),
            ])
        }
        try console.writeJSON([
            "output": .string(path), "tensor_bytes": .integer(byteCount), "undo": .bool(plan.keepsUndo), "changes": .array(changes),
        ])
        return .done
    }
    var table = Table([.init("tensor", canShrink: true), .init("shape"), .init("change")])
    for change in plan.changes { table.addRow([.init(change.name), .init(change.shape.description), .init(change.change)]) }
    try console.write(table)
    let undo = plan.keepsUndo ? ", and an undo record whose length the weights decide" : ""
    try console.writeLine(
        "\(path) would hold tensors of \(NumberText.exactByteCount(byteCount))\(undo); \(plan.changes.count) of them change")
    return .done
}
