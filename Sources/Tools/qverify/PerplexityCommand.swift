import CommandLineKit
import Evaluation
import JSONText
import ModelToolSupport
import Parallelism
import Platform
import ToolSupport
import Transformer

/// `qverify perplexity`.
func perplexity(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let reading = try ReadingOptions(arguments, needsText: true)
    let engine = MatrixEngine(pool: WorkerPool(threadCount: reading.threadCount))
    var options = ModelOptions(
        path: arguments.positional(always: "model"), adapters: arguments.strings("adapter"), tokenizer: arguments.string("tokenizer"))
    options.cacheType = arguments.string("cache").flatMap(CacheType.init)
    let model = try MeasuredModel(
        options, context: reading.context, precision: arguments.precision ?? .exact, engine: engine, console)
    let text = try TextInput(reading, for: [model], console)
    let progress = console.progress("reading", total: text.windows.predictedCount, unit: .items("tokens"))
    let measures = RunMeasures()
    let measured = try PerplexityMeasurement(of: model.evaluated, on: text.windows, engine: engine).run { progress.advance(by: $0) }
    progress.finish()
    let speed = Double(text.windows.ids.count) / measures.seconds
    if arguments.flag("json") {
        var document = JSONObject([
            "model": .string(model.path), "adapters": .strings(model.adapters), "text": .object(text.document),
            "perplexity": .object(measured.document(text)),
            "tokens_per_second": .double(speed), "seconds": .double(measures.seconds), "peak_memory": .integer(measures.peakMemory),
        ])
        if model.precision != .exact { document["precision"] = .string(model.precision.rawValue) }
        try console.writeJSON(document)
    } else {
        try console.writeLine("\(model.title): \(text.summary)".terminalSafe)
        try console.writeLine("perplexity \(plusMinus(measured.value, measured.standardError)) per token")
        let loss = plusMinus(measured.loss.mean, measured.loss.standardError)
        try console.writeLine("loss \(loss) nats per token, \(NumberText.fixed(measured.bitsPerByte(text), decimals: 4)) bits per byte")
        console.note(measures.summary(tokensPerSecond: speed))
    }
    return .done
}

/// `2.2518 ± 0.0307`, both to the places that the error makes sense of.
func plusMinus(_ value: Double, _ error: Double) -> String {
    guard error.isFinite, error > 0 else { return NumberText.significant(value, digits: 5) }
    let decimals = min(9, max(0, 2 - Int(log10(error).rounded(.down))))
    return "\(NumberText.fixed(value, decimals: decimals)) ± \(NumberText.fixed(error, decimals: decimals))"
}

extension TextInput {
    /// `9,532 tokens of heldout.txt, windows of 256`.
    var summary: String { "\(NumberText.grouped(windows.ids.count)) tokens of \(path), \(windowText)" }

    /// `256 tokens every 128`, or `the answers of 20 records`.
    var windowText: String {
        if let recordCount { return "the answers of \(NumberText.grouped(recordCount)) records" }
        return stride == context ? "windows of \(context)" : "windows of \(context), every \(stride)"
    }

    var document: JSONObject {
        var object = JSONObject(["path": .string(path), "tokens": .integer(windows.ids.count), "context": .integer(context)])
        if let recordCount { object["records"] = .integer(recordCount) } else { object["stride"] = .integer(stride) }
        let counts = JSONObject([
            "predicted_tokens": .integer(windows.predictedCount), "predicted_bytes": .integer(predictedByteCount),
        ])
        for member in counts.members { object[member.key] = member.value }
        return object
    }
}

extension Perplexity {
    /// What it takes to write the text down with the model's help; comparable between tokenizers.
    func bitsPerByte(_ text: TextInput) -> Double {
        loss.mean * Double(tokenCount) / log(2) / Double(max(1, text.predictedByteCount))
    }

    func document(_ text: TextInput) -> JSONObject {
        JSONObject([
            "perplexity": .double(value), "perplexity_error": .double(standardError), "loss": .double(loss.mean),
            "loss_error": .double(loss.standardError), "bits_per_byte": .double(bitsPerByte(text)),
        ])
    }
}

extension RunMeasures {
    /// `1.2 s, 1,800 tokens/s, 45 MB of memory at most`.
    func summary(tokensPerSecond: Double) -> String {
        "\(NumberText.duration(seconds: seconds)), \(NumberText.grouped(Int(tokensPerSecond))) tokens/s, "
            + "\(NumberText.byteCount(peakMemory)) of memory at most"
    }
}
