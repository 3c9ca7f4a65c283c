import Checkpoints
import CommandLineKit
import Conversion
import JSONText
import Parts
import Quantization
import Streaming
import TensorCore
import ToolSupport

/// `qconvert to-nf4`.
func toNF4(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let rules = try conversionRules(arguments)
    let part = try arguments.part()
    let resumes = try arguments.resumes()
    guard part == nil && !resumes || arguments.strings("calibrate").isEmpty else {
        throw UsageError(
            "--\(resumes ? "resume" : "part") and --calibrate exclude each other: a calibration goes through the whole model, layer after layer",
            hint: "--calibrate with --checkpoints FOLDER goes on where it was interrupted; parts take the nearest codes")
    }
    guard part == nil && !resumes || arguments.string("imatrix") == nil else {
        throw UsageError(
            "--\(resumes ? "resume" : "part") and --imatrix exclude each other: parts do not say which imatrix they were made with",
            hint: "convert in one go; parts take the nearest codes")
    }
    guard part == nil && !resumes || arguments.number("budget") == nil else {
        throw UsageError(
            "--\(resumes ? "resume" : "part") and --budget exclude each other: a budget is divided among the weights of the whole model",
            hint: "convert in one go, or name the weights that stay in 16 bits with --keep")
    }
    let checkpoint = try console.openCheckpoint(
        arguments.positional(always: "source"), for: .computing, takesPlainFloat8: arguments.flag("plain-float8"))
    let calibration = try CalibrationSetup(arguments, checkpoint, console), importance = try ImportanceSetup(arguments, checkpoint)
    func planned(_ budget: BitBudget?) throws -> ConversionPlan {
        try ConversionPlan(
            checkpoint, settings: try requestedSettings(arguments), rules: rules, castingTo: denseType(arguments), toolVersion: toolVersion,
            options: effectiveOptions(arguments), calibration: calibration?.note, importance: importance?.note, budget: budget)
    }
    // Without a budget first: what it is chosen from.
    var plan = try planned(nil)
    let whole = plan, budget = try BudgetSetup(arguments, whole, calibration, castingTo: denseType(arguments), console)
    if let known = try budget?.knownBudget(of: whole) { plan = try planned(known) }
    let distillation = try DistillationSetup(arguments, whole, calibration)
    for remark in plan.remarks { console.warning(remark.text, hint: remark.hint) }
    if arguments.flag("dry-run") {
        if let calibration { console.note("would calibrate: \(calibration.summary)") }
        if let distillation { console.note("would distill: \(distillation.summary)") }
        if let budget, !budget.isKnown { console.note("would measure which weights are to stay in 16 bits: they are listed as nf4 here") }
        guard let part else { return try describe(plan, arguments, console) }
        return try describe(part, try plan.share(of: part), arguments, console)
    }
    if resumes {
        return try resume(inputByteCount: plan.inputByteCount, measures, arguments, console) { progress, part, path in
            let resources = try arguments.resources(for: [checkpoint], plannedTensorCount: plan.layout.stored.count, progress: progress)
            return try Conversion(plan, resources: resources, allowsNonfinite: arguments.flag("allow-nonfinite"))
                .run(part, path: path, existing: arguments.existingPart)
        }
    }
    let share = try part.map { try plan.share(of: $0) }
    let progress = console.progress("converting", total: share?.inputByteCount ?? plan.inputByteCount)
    let resources = try arguments.resources(for: [checkpoint], plannedTensorCount: plan.layout.stored.count, progress: progress)
    /// What is written: chooses codes, and measures the budget where there is one.
    func prepared() throws -> (conversion: Conversion, calibration: ConversionCalibration?) {
        var calibrated = try calibration?.calibration(of: whole, resources, console) ?? importance?.search(of: whole, resources, console)
        if let budget, !budget.isKnown {
            calibrated = try calibrated?.choosing()
            plan = try planned(budget.measuredBudget(of: whole, calibrated?.outcomes ?? [:], resources, console))
        }
        return (Conversion(plan, resources: resources, allowsNonfinite: arguments.flag("allow-nonfinite")), calibrated)
    }
    if let distillation, let calibration {
        let run = DistilledConversion(
            distillation, whole, identity: try calibration.identity(of: whole, options: effectiveOptions(arguments)), resources, console)
        let distilled = try run.run(arguments) { path in
            let (conversion, chosen) = try prepared()
            let result = try conversion.run(path: path, replaces: true, calibration: chosen)
            progress.finish()
            try calibration.writeImportance(of: checkpoint, replaces: arguments.flag("force"))
            warn(of: result.narrowing, arguments, console)
            return (result, plan)
        }
        try distilled.report(whole, measures, arguments, console)
        return .done
    }
    let (conversion, calibrated) = try prepared()
    if let part, let share {
        let made = try conversion.run(part, path: arguments.string(always: "output"), existing: arguments.existingPart)
        progress.finish()
        warn(of: made.results.narrowing, arguments, console)
        return try report(made, share: share, measures, arguments, console)
    }
    let result =
        try conversion
        .run(
            path: arguments.string(always: "output"), replaces: arguments.flag("force"),
            calibration: calibrated)
    progress.finish()
    try calibration?.writeImportance(of: checkpoint, replaces: arguments.flag("force"))
    for finding in result.nonfinite {
        console.warning("tensor '\(finding.name)': element \(finding.index), and maybe others, is not finite")
    }
    warn(of: result.narrowing, arguments, console)
    try report(result, plan, measures, arguments, console)
    return .done
}

private func report(
    _ result: ConversionReport, _ plan: ConversionPlan, _ measures: RunMeasures, _ arguments: ParsedArguments, _ console: Console
) throws {
    let path = arguments.string(always: "output")
    let bits = bitsPerWeight(result.outputByteCount, plan.elementCount)
    guard !arguments.flag("json") else {
        var document = JSONObject([
            "output": .string(path), "bytes": .integer(result.outputByteCount), "input_bytes": .integer(plan.inputByteCount),
            "quantized": .integer(result.quantizedCount), "kept": .integer(result.keptCount), "bits_per_weight": .double(bits),
            "fingerprint": .string(result.fingerprint.description), "overflows": .integer(result.narrowing.overflows),
            "underflows": .integer(result.narrowing.underflows), "seconds": .double(measures.seconds),
            "peak_memory": .integer(measures.peakMemory),
        ])
        if let calibrated = result.calibration, let note = plan.calibration { document["calibration"] = calibrated.document(note) }
        if let searched = result.calibration, let note = plan.importance { document["imatrix"] = searched.document(note) }
        if let budget = plan.budget { document["budget"] = budget.document }
        return try console.writeJSON(document)
    }
    try console.writeLine(
        "\(path): \(result.quantizedCount) tensors 4-bit, \(result.keptCount) kept; "
            + "\(NumberText.byteCount(plan.inputByteCount)) -> \(NumberText.byteCount(result.outputByteCount)) "
            + "(\(NumberText.fixed(bits, decimals: 2)) bits/weight)")
    if let calibrated = result.calibration, let note = plan.calibration {
        for line in calibrated.lines(note) { try console.writeLine(line) }
    }
    if let searched = result.calibration, let note = plan.importance {
        for line in searched.lines(note) { try console.writeLine(line) }
    }
    if let budget = plan.budget { try console.writeLine(budget.line) }
    console.note(measures.summary(byteCount: plan.inputByteCount))
}

private func conversionRules(_ arguments: ParsedArguments) throws -> ConversionRules {
    let rules = try arguments.ordered(["keep", "quantize"]).map { name, text in
        ConversionRules.Rule(name == "keep" ? .keep : .quantize, try ParsedArguments.pattern(text, option: name))
    }
    return ConversionRules(
        rules: rules, quantizesEmbeddings: arguments.string(always: "embeddings") == "nf4",
        matchesTransformers: arguments.flag("match-transformers"))
}

/// Nil where nothing about them was given, so that a model that is quantized already keeps its own.
private func requestedSettings(_ arguments: ParsedArguments) throws -> QuantizationSettings? {
    guard ["quant-type", "block-size", "no-double-quant"].contains(where: arguments.isGiven) else { return nil }
    return try QuantizationSettings(
        quantType: QuantType(rawValue: arguments.string(always: "quant-type")) ?? .nf4,
        blockSize: Int(arguments.string(always: "block-size")) ?? 64, isDoubleQuantized: !arguments.flag("no-double-quant"))
}

/// The options that shape the result, as they would be typed; the lineage keeps them.
private func effectiveOptions(_ arguments: ParsedArguments) -> [String] {
    let named = ["quant-type", "block-size", "embeddings", "dtype"].filter(arguments.isGiven)
    let budget = arguments.number("budget").map { ["--budget \($0)"] } ?? []
    let flags = ["no-double-quant", "match-transformers", "allow-nonfinite", "plain-float8"].filter(arguments.isGiven)
    return named.map { "--\($0) \(arguments.string(always: $0))" } + budget + flags.map { "--\($0)" }
        + arguments.ordered(["keep", "quantize"]).map { "--\($0.name) \($0.value)" }
}

/// What `--dry-run` prints: every tensor with what would become of it, and the exact size.
private func describe(_ plan: ConversionPlan, _ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let path = arguments.string(always: "output")
    let byteCount = try plan.outputByteCount()
    let bits = bitsPerWeight(byteCount, plan.elementCount)
    let items = plan.items.sorted { NaturalOrder.precedes($0.tensor.name, $1.tensor.name) }
    if arguments.flag("json") {
        try console.writeJSON([
            "output": .string(path), "bytes": .integer(byteCount), "weights": .integer(plan.elementCount),
            "bits_per_weight": .double(bits), "tensors": .array(items.map(document)),
        ])
        return .done
    }
    var table = Table([
        .init("tensor", canShrink: true), .init("shape"), .init("action"), .init("bytes", .right), .init("becomes", .right),
    ])
    for item in items {
        table.addRow([
            .init(item.tensor.name), .init(item.tensor.shape.description), .init(item.step.word),
            .init(NumberText.grouped(item.inputByteCount)), .init(NumberText.grouped(item.outputByteCount)),
        ])
    }
    table.addTotal([
        .init("\(items.count) tensors"), .init(NumberText.grouped(plan.elementCount)), .init(""),
        .init(NumberText.grouped(plan.inputByteCount)), .init(NumberText.grouped(items.reduce(0) { $0 + $1.outputByteCount })),
    ])
    try console.write(table)
    let files = plan.layout.files
    try console.writeLine(
        "\(path) would have \(NumberText.exactByteCount(byteCount)), \(NumberText.fixed(bits, decimals: 3)) bits/weight; "
            + "\(files.count) files of \(NumberText.byteCount(files.reduce(0) { $0 + $1.byteCount })) ride along")
    return .done
}

private func document(_ item: ConversionPlan.Item) -> JSONValue {
    .object([
        "name": .string(item.tensor.name), "shape": .array(item.tensor.shape.dimensions.map { .integer($0) }),
        "action": .string(item.step.word), "input_bytes": .integer(item.inputByteCount), "output_bytes": .integer(item.outputByteCount),
    ])
}

extension ConversionPlan.Step {
    /// The step in a word or two, for listings.
    fileprivate var word: String {
        switch self {
        case .quantize: "quantize"
        case .copyQuantized: "copy 4-bit"
        case .copy: "keep"
        case .cast(let type), .decode(let type): "to \(type.rawValue)"
        }
    }
}

private func bitsPerWeight(_ byteCount: Int, _ elementCount: Int) -> Double {
    elementCount == 0 ? 0 : 8 * Double(byteCount) / Double(elementCount)
}
