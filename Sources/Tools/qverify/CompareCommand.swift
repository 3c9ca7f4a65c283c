import CommandLineKit
import Evaluation
import JSONText
import ModelToolSupport
import Parallelism
import Tokenization
import ToolSupport
import Transformer

/// `qverify compare`.
func compare(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    if let source = arguments.string("fresh") { return try compareCandidates(source, arguments, console) }
    let limits = ComparisonLimits(arguments)
    let tokenizer = arguments.string("tokenizer")
    var a = ModelOptions(path: arguments.positional(always: "a"), adapters: arguments.strings("adapter-a"), tokenizer: tokenizer)
    var b = ModelOptions(path: arguments.positional(always: "b"), adapters: arguments.strings("adapter-b"), tokenizer: tokenizer)
    a.cacheType = arguments.string("cache-a").flatMap(CacheType.init)
    b.cacheType = arguments.string("cache-b").flatMap(CacheType.init)
    let comparison = try TextComparison(
        a, b, ReadingOptions(arguments, needsText: true), limits, precision: arguments.precision ?? .exact,
        largestCount: arguments.integer(always: "largest"), console)
    if arguments.flag("json") {
        try console.writeJSON([
            "ok": .bool(comparison.failures.isEmpty), "failures": .strings(comparison.failures),
            "predictions": .object(comparison.document),
        ])
    } else {
        try console.writeLine("A: \(comparison.a.title)".terminalSafe)
        try console.writeLine("B: \(comparison.b.title)".terminalSafe)
        try comparison.write(to: console)
        for failure in comparison.failures { try console.writeLine("NOT OK: \(failure)") }
        if comparison.failures.isEmpty, !limits.isEmpty { try console.writeLine("OK: within the limits") }
        console.note(comparison.measures.summary(tokensPerSecond: comparison.tokensPerSecond))
    }
    return comparison.failures.isEmpty ? .done : .no
}

/// Two models on a text, and what is said of it.
struct TextComparison {
    let report: ComparisonReport
    /// Of B from itself in exact precision; nil where it is computed so.
    let rounding: ComparisonReport?
    let text: TextInput
    let measures = RunMeasures()
    let tokensPerSecond: Double
    /// Limits that are exceeded.
    let failures: [String]
    let a: MeasuredModel
    let b: MeasuredModel

    /// - Parameters:
    ///   - first: the reference.
    ///   - second: the model to judge.
    ///   - precision: of the second.
    init(
        _ first: ModelOptions, _ second: ModelOptions, _ reading: ReadingOptions, _ limits: ComparisonLimits,
        precision: MatrixEngine.Precision = .exact, largestCount: Int, _ console: Console
    ) throws {
        let engine = MatrixEngine(pool: WorkerPool(threadCount: reading.threadCount))
        a = try MeasuredModel(first, context: reading.context, engine: engine, console)
        b = try MeasuredModel(second, context: reading.context, precision: precision, beside: [a], engine: engine, console)
        text = try TextInput(reading, for: [a, b], console)
        let passes = precision == .exact ? 1 : 2
        let progress = console.progress("reading", total: passes * text.windows.predictedCount, unit: .items("tokens"))
        let comparison = try ModelComparison(a.evaluated, b.evaluated, on: text.windows, engine: engine, largestCount: largestCount)
        report = try comparison.run { progress.advance(by: $0) }
        rounding =
            precision == .exact
            ? nil
            : try ModelComparison(b.evaluated(in: .exact), b.evaluated, on: text.windows, engine: engine, largestCount: 0)
                .run { progress.advance(by: $0) }
        progress.finish()
        tokensPerSecond = Double(2 * passes * text.windows.ids.count) / measures.seconds
        var failures: [String] = []
        if let limit = limits.divergence, report.divergence.mean > limit {
            let mean = NumberText.significant(report.divergence.mean, digits: 4)
            failures.append("the mean KL divergence of \(mean) nats is above \(NumberText.significant(limit, digits: 6))")
        }
        if let limit = limits.perplexityRatio, report.perplexityRatio > limit {
            let ratio = NumberText.significant(report.perplexityRatio, digits: 6)
            failures.append("the perplexity ratio of \(ratio) is above \(NumberText.significant(limit, digits: 6))")
        }
        self.failures = failures
    }

    static let shares = [0.5, 0.9, 0.95, 0.99, 0.999]

    func write(to console: Console) throws {
        try console.writeLine(text.summary.terminalSafe)
        var table = Table([.init(""), .init("value")])
        for (name, value) in measuredRows { table.addRow([.init(name), .init(value)]) }
        try console.write(table)
        guard !report.largest.isEmpty else { return }
        try console.writeLine()
        try console.write(largestTable())
    }

    /// What was measured, in words and numbers.
    var measuredRows: [(name: String, value: String)] { predictionRows + roundingRows }

    /// What the precision of B costs.
    private var roundingRows: [(name: String, value: String)] {
        guard let rounding else { return [] }
        return [
            (
                "KL divergence of \(b.precision.rawValue) from exact",
                plusMinus(rounding.divergence.mean, rounding.divergence.standardError) + " nats"
            )
        ]
    }

    private var predictionRows: [(name: String, value: String)] {
        [
            ("perplexity of A", plusMinus(report.a.value, report.a.standardError)),
            ("perplexity of B", plusMinus(report.b.value, report.b.standardError)),
            ("B over A", plusMinus(report.perplexityRatio, report.perplexityRatioError)),
            ("KL divergence, mean", plusMinus(report.divergence.mean, report.divergence.standardError) + " nats"),
        ]
            + Self.shares.map { share in
                let percent = NumberText.significant(share * 100, digits: 4)
                return ("  not above, \(percent)%", NumberText.significant(report.divergence(atShare: share), digits: 3))
            } + [
                ("  largest", NumberText.significant(report.divergence(atShare: 1), digits: 3)),
                ("same most likely token", plusMinus(100 * report.sameTopShare, 100 * report.sameTopError) + " %"),
            ]
    }

    /// The models that are more than a path.
    var titlesWithAdapters: [String] {
        [("A", a), ("B", b)].filter { !$1.adapters.isEmpty }.map { "\($0): \($1.title)" }
    }

    /// What was measured of each place, for a table.
    static let largestTitles = ["KL", "loss A", "loss B", "text", "next", "A expects", "B expects"]

    func cells(_ place: ComparisonReport.Difference) -> [String] {
        [
            NumberText.fixed(place.divergence, decimals: 4), NumberText.fixed(place.lossA, decimals: 3),
            NumberText.fixed(place.lossB, decimals: 3), textBefore(place), token(place.position), token(place.topA), token(place.topB),
        ]
    }

    private func largestTable() -> Table {
        var table = Table(
            Self.largestTitles.enumerated().map { index, title in
                index < 3 ? .init(title, .decimal) : .init(title, canShrink: title == "text")
            })
        for place in report.largest { table.addRow(cells(place).map { .init($0) }) }
        return table
    }

    /// What both models had read last.
    func textBefore(_ place: ComparisonReport.Difference) -> String {
        let ids = text.windows.ids[max(0, place.position - 12)..<place.position]
        return "…" + a.tokenizer.decode(ids, showsSpecialTokens: true).suffix(32)
    }

    func token(_ position: Int) -> String { token(text.windows.ids[position]) }

    /// In quotes: spaces belong to tokens.
    private func token(_ id: TokenID) -> String { "'\(String(decoding: a.tokenizer.bytes(of: id), as: UTF8.self))'" }

    var document: JSONObject {
        var percentiles = JSONObject()
        for share in Self.shares + [1] {
            percentiles[NumberText.significant(share * 100, digits: 4)] = .double(report.divergence(atShare: share))
        }
        let places = report.largest.map { place -> JSONValue in
            .object([
                "position": .integer(place.position), "kl": .double(place.divergence), "loss_a": .double(place.lossA),
                "loss_b": .double(place.lossB), "text": .string(textBefore(place)), "next": .string(token(place.position)),
                "top_a": .string(token(place.topA)), "top_b": .string(token(place.topB)),
            ])
        }
        var document = JSONObject([
            "a": .string(a.path), "adapters_a": .strings(a.adapters), "b": .string(b.path), "adapters_b": .strings(b.adapters),
            "text": .object(text.document), "perplexity_a": .object(report.a.document(text)),
            "perplexity_b": .object(report.b.document(text)), "perplexity_ratio": .double(report.perplexityRatio),
            "perplexity_ratio_error": .double(report.perplexityRatioError), "kl_mean": .double(report.divergence.mean),
            "kl_error": .double(report.divergence.standardError), "kl_percentiles": .object(percentiles),
            "same_top": .double(report.sameTopShare), "same_top_error": .double(report.sameTopError), "largest": .array(places),
            "tokens_per_second": .double(tokensPerSecond), "seconds": .double(measures.seconds),
            "peak_memory": .integer(measures.peakMemory),
        ])
        if let rounding {
            document["precision"] = .string(b.precision.rawValue)
            document["kl_from_exact"] = .double(rounding.divergence.mean)
            document["kl_from_exact_error"] = .double(rounding.divergence.standardError)
        }
        return document
    }
}
