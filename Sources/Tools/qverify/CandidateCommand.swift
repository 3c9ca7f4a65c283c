import CommandLineKit
import Evaluation
import JSONText
import ModelToolSupport
import Parallelism
import ToolSupport
import Transformer

/// `qverify compare A B --fresh SOURCE`: which of the two is nearer to the model that both stand for.
func compareCandidates(_ source: String, _ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    for name in ["max-kl", "max-ppl-ratio", "largest", "cache-a", "cache-b", "precision"] where arguments.isGiven(name) {
        throw UsageError("--\(name) is for A and B beside each other, but with --fresh both are measured against \(source)")
    }
    let measures = RunMeasures()
    let reading = try ReadingOptions(arguments, needsText: true), tokenizer = arguments.string("tokenizer")
    let engine = MatrixEngine(pool: WorkerPool(threadCount: reading.threadCount))
    let reference = try MeasuredModel(ModelOptions(path: source), context: reading.context, engine: engine, console)
    let a = try MeasuredModel(
        ModelOptions(path: arguments.positional(always: "a"), adapters: arguments.strings("adapter-a"), tokenizer: tokenizer),
        context: reading.context, beside: [reference], engine: engine, console)
    let b = try MeasuredModel(
        ModelOptions(path: arguments.positional(always: "b"), adapters: arguments.strings("adapter-b"), tokenizer: tokenizer),
        context: reading.context, beside: [reference, a], engine: engine, console)
    let text = try TextInput(reading, for: [reference, a, b], console)
    let progress = console.progress("reading", total: text.windows.predictedCount, unit: .items("tokens"))
    let comparison = try CandidateComparison(
        a.evaluated, b.evaluated, against: reference.evaluated, on: text.windows, engine: engine)
    let report = try comparison.run { progress.advance(by: $0) }
    progress.finish()
    let tokensPerSecond = Double(3 * text.windows.ids.count) / measures.seconds
    if arguments.flag("json") {
        try console.writeJSON(document(report, text, [("reference", reference), ("a", a), ("b", b)], measures))
        return .done
    }
    for (name, model) in [("reference", reference), ("A", a), ("B", b)] { try console.writeLine("\(name): \(model.title)".terminalSafe) }
    try console.writeLine(text.summary.terminalSafe)
    try console.write(table(report))
    try console.writeLine(verdict(report))
    console.note(measures.summary(tokensPerSecond: tokensPerSecond))
    return .done
}

private func table(_ report: CandidateReport) -> Table {
    var table = Table([.init(""), .init("A"), .init("B"), .init("B against A")])
    func row(_ name: String, _ a: String, _ b: String, _ difference: String) {
        table.addRow([.init(name), .init(a), .init(b), .init(difference)])
    }
    let (a, b) = (report.a, report.b)
    row(
        "KL divergence, nats", plusMinus(a.divergence.mean, a.divergence.standardError),
        plusMinus(b.divergence.mean, b.divergence.standardError),
        plusMinus(report.divergenceIncrease.mean, report.divergenceIncrease.standardError))
    row(
        "perplexity (reference \(NumberText.significant(report.reference.value, digits: 5)))",
        plusMinus(a.perplexity.value, a.perplexity.standardError), plusMinus(b.perplexity.value, b.perplexity.standardError),
        "times " + plusMinus(report.perplexityRatio, report.perplexityRatioError))
    row(
        "same most likely token", plusMinus(100 * a.sameTopShare, 100 * a.sameTopError) + " %",
        plusMinus(100 * b.sameTopShare, 100 * b.sameTopError) + " %", "")
    return table
}

/// Nil where neither is.
private func better(_ report: CandidateReport) -> String? {
    guard report.divergenceIncrease.isSignificant else { return nil }
    return report.divergenceIncrease.mean < 0 ? "B" : "A"
}

private func verdict(_ report: CandidateReport) -> String {
    let difference = plusMinus(abs(report.divergenceIncrease.mean), report.divergenceIncrease.standardError)
    guard let better = better(report) else {
        return "neither is nearer to the reference: the difference of \(difference) nats is within what chance makes of "
            + "\(NumberText.grouped(report.tokenCount)) tokens"
    }
    let (less, more) = better == "A" ? (report.a, report.b) : (report.b, report.a)
    let share = more.divergence.mean > 0 ? less.divergence.mean / more.divergence.mean : 1
    return
        "\(better) is nearer to the reference: its divergence is \(NumberText.fixed(share, decimals: 2)) of the other's, the difference of "
        + "\(difference) nats is significant"
}

private func document(
    _ report: CandidateReport, _ text: TextInput, _ models: [(name: String, model: MeasuredModel)], _ measures: RunMeasures
) -> JSONObject {
    func candidate(_ candidate: CandidateReport.Candidate) -> JSONValue {
        .object([
            "perplexity": .object(candidate.perplexity.document(text)), "kl_mean": .double(candidate.divergence.mean),
            "kl_error": .double(candidate.divergence.standardError), "same_top": .double(candidate.sameTopShare),
            "same_top_error": .double(candidate.sameTopError),
        ])
    }
    var object = JSONObject()
    for (name, model) in models {
        object[name] = .object(["path": .string(model.path), "adapters": .strings(model.adapters)])
    }
    object["text"] = .object(text.document)
    object["perplexity_reference"] = .object(report.reference.document(text))
    object["candidate_a"] = candidate(report.a)
    object["candidate_b"] = candidate(report.b)
    object["kl_increase"] = .double(report.divergenceIncrease.mean)
    object["kl_increase_error"] = .double(report.divergenceIncrease.standardError)
    object["perplexity_ratio"] = .double(report.perplexityRatio)
    object["perplexity_ratio_error"] = .double(report.perplexityRatioError)
    object["better"] = better(report).map { .string($0.lowercased()) } ?? .null
    object["seconds"] = .double(measures.seconds)
    object["peak_memory"] = .integer(measures.peakMemory)
    return object
}
