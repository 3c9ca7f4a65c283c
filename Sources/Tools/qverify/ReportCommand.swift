import ByteIO
import CalibrationSupport
import Checkpoints
import CommandLineKit
import Comparison
import Inspection
import JSONText
import ModelToolSupport
import Reports
import ToolSupport

/// `qverify report`.
func report(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let options = try ReportOptions(arguments)
    let source = try console.openCheckpoint(options.source.path, for: .computing)
    let model = try console.openCheckpoint(options.model.path, for: .computing)
    let page = try ReportOutput(options, source: source, model: model)
    let activations = try ActivationCheck(arguments, source: source, model: model, console)
    let progress = console.progress("comparing", total: source.storedByteCount)
    let resources = try arguments.resources(for: [source, model], progress: progress)
    let compared = try Roundtrip(source: source, model: model, checksBits: false, resources: resources).run()
    progress.finish()
    let weights = WeightReport(compared, try activations?.run(console))
    let comparison =
        try options.readsText
        ? TextComparison(options.source, options.model, options.reading, options.limits, largestCount: 5, console) : nil
    let failures = weights.failures + (comparison?.failures ?? [])
    if let byteCount = try page.write(source: source, model: model, failures: failures, weights.outputs, comparison, arguments, console),
        !options.isJSON
    {
        try console.writeLine("\(options.page ?? ""): \(NumberText.byteCount(byteCount))".terminalSafe)
        for failure in failures { try console.writeLine("NOT OK: \(failure.terminalSafe)") }
    } else if options.isJSON {
        try console.writeJSON([
            "ok": .bool(failures.isEmpty), "failures": .strings(failures), "source": .string(options.source.path),
            "model": .string(options.model.path), "source_bytes": .integer(source.storedByteCount),
            "model_bytes": .integer(model.storedByteCount), "weights": .object(weights.document),
            "outputs": weights.outputs?.document ?? .null, "predictions": comparison.map { .object($0.document) } ?? .null,
        ])
    } else {
        let sizes = [source, model].map { NumberText.byteCount($0.storedByteCount) }
        try console.writeLine("A, source: \(options.source.path), \(source.kind.title), \(sizes[0])".terminalSafe)
        try console.writeLine("B, model:  \(options.model.path), \(model.kind.title), \(sizes[1])".terminalSafe)
        try console.writeLine()
        try console.write(weights.table())
        if let outputs = weights.outputs { try console.writeLine(outputs.line.terminalSafe) }
        if let comparison {
            try console.writeLine()
            for title in comparison.titlesWithAdapters { try console.writeLine(title.terminalSafe) }
            try comparison.write(to: console)
        }
        for failure in failures { try console.writeLine("NOT OK: \(failure.terminalSafe)") }
        if failures.isEmpty {
            try console.writeLine(
                model.isCalibrated
                    ? "OK: codes were chosen by calibration, so that no bound holds for single weights"
                    : "OK: all errors are within the bound of the format")
        }
        if let comparison { console.note(comparison.measures.summary(tokensPerSecond: comparison.tokensPerSecond)) }
    }
    return failures.isEmpty ? .done : .no
}

/// What `qverify report` was asked for.
struct ReportOptions {
    /// With the adapters that count where a text is read: the weights are compared without them.
    let source: ModelOptions
    let model: ModelOptions
    let reading: ReadingOptions
    let limits: ComparisonLimits
    /// Files that layers are run on.
    let activations: [String]
    /// Where a page goes; nil for text.
    let page: String?
    let replaces: Bool
    let isJSON: Bool

    var readsText: Bool { reading.hasText }

    /// - Throws: where something is said of a text, but there is none.
    init(_ arguments: ParsedArguments) throws(UsageError) {
        reading = try ReadingOptions(arguments)
        let aboutText = ["max-kl", "max-ppl-ratio", "context", "stride", "max-tokens", "adapter-a", "adapter-b", "tokenizer"]
        if !reading.hasText, let name = aboutText.first(where: arguments.isGiven) {
            throw UsageError("--\(name) says something about a text, but there is neither --text nor --data")
        }
        func options(_ name: String, adapters: String) -> ModelOptions {
            ModelOptions(
                path: arguments.positional(always: name), adapters: arguments.strings(adapters), tokenizer: arguments.string("tokenizer"))
        }
        source = options("source", adapters: "adapter-a")
        model = options("model", adapters: "adapter-b")
        limits = ComparisonLimits(arguments)
        activations = arguments.strings("activations").filter { $0 != CalibrationText.defaultWord }
        page = arguments.string("output")
        replaces = arguments.flag("force")
        isJSON = arguments.flag("json")
    }
}

/// The page of `-o`: opened before the work, so that what cannot be written is an error then.
struct ReportOutput: ~Copyable {
    private let output: AtomicOutput?
    private let options: ReportOptions

    init(_ options: ReportOptions, source: Checkpoint, model: Checkpoint) throws {
        self.options = options
        guard let path = options.page else {
            output = nil
            return
        }
        var inputs = source.inputFiles + model.inputFiles
        for text in [options.reading.path, options.reading.data] where text != "-" {
            if let text { inputs.append(try InputFile(path: text)) }
        }
        for text in options.activations { inputs.append(try InputFile(path: text)) }
        output = try AtomicOutput(destination: path, replaces: options.replaces, inputs: inputs)
    }

    /// Measures what only a page shows, and writes it.
    ///
    /// - Returns: bytes of the page; nil where none is wanted.
    consuming func write(
        source: Checkpoint, model: Checkpoint, failures: [String], _ outputs: OutputErrors?, _ comparison: TextComparison?,
        _ arguments: ParsedArguments,
        _ console: Console
    ) throws -> Int? {
        let options = options
        guard let output else { return nil }
        let progress = console.progress("looking", total: ReportContent.readByteCount(model, against: source))
        let content = try ReportContent(
            model, path: options.model.path, against: source, sourcePath: options.source.path, maker: "qverify \(toolVersion)",
            resources: arguments.resources(for: [source, model], progress: progress))
        progress.finish()
        let verdict =
            failures.isEmpty
            ? Verdict.good("Within bounds", "Every weight is as near to its source as the format allows.")
            : .bad("Not within bounds", "What was asked for does not hold.", failures.map { [.text($0)] })
        return try ReportPage(content, verdicts: [verdict], chapters: [outputs?.chapter, comparison?.chapter].compactMap { $0 }).write(
            to: output)
    }
}
