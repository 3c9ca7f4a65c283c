import Architectures
import CommandLineKit
import Evaluation
import JSONText
import ModelLoading
import ModelToolSupport
import Parallelism
import Platform
import PromptSupport
import Prompts
import Records
import Tokenization
import ToolSupport
import Transformer

/// What `--text` asks for: what the merged model makes of a text, against the model with the adapters beside it, which is what a merge is to
/// be, and against the model without them.
///
/// All three read the text in one pass, in float32.
struct MergeMeasurement {
    /// With the adapters.
    private let whole: OpenedModel
    private let windows: TextWindows
    /// Of the text.
    private let path: String
    private let engine: MatrixEngine
    /// Positions that are set up.
    private let context: Int

    /// A default context no longer than this, as elsewhere where a text is measured.
    private static let longestContext = 2048
    /// What templates are told of the date: the same on every day.
    private static let date = "2024-07-26"

    /// Nil where nobody asks.
    ///
    /// - Parameters:
    ///   - base: the path of what the adapters are merged into.
    ///   - adapters: as they were given.
    ///   - canRun: whether the output will be a model with all that it takes to run it.
    /// - Throws: where one of the models cannot be run, or the text is none: before the work begins.
    init?(
        _ arguments: ParsedArguments, base: String, adapters: [String], canRun: Bool, _ console: Console
    ) throws {
        guard let path = arguments.string("text") else { return nil }
        guard canRun else {
            throw UsageError(
                "--text runs the merged model, but a .safetensors file alone is none that can be run", hint: "write a folder, or a .qnf")
        }
        let longest = Self.longestContext
        // Once with the adapters, once as it is: one set of weights. The merged model comes to them.
        whole = try console.openModel(
            ModelOptions(
                path: base, adapters: adapters, tokenizer: arguments.string("tokenizer"), threadCount: arguments.integer("threads"))
        ) { min(longest, $0.contextLength) }
        guard whole.vocabularySize == whole.configuration.vocabularySize else {
            throw UsageError(
                "--text compares models of the same tokens, but with the adapters there are \(whole.vocabularySize) instead of "
                    + "\(whole.configuration.vocabularySize)")
        }
        let needed = 2 * (whole.memory?.total ?? 0)
        if let allowed = arguments.byteCount("max-memory"), needed > allowed {
            throw Failure(
                "--max-memory allows \(NumberText.byteCount(allowed)), but running the model and what is merged of it on --text takes about "
                    + NumberText.byteCount(needed))
        }
        self.path = path
        context = min(longest, whole.configuration.contextLength)
        engine = MatrixEngine(pool: WorkerPool(threadCount: arguments.integer("threads")))
        windows = try Self.windows(path, whole, context: context, console)
        let tokenizer = try whole.tokenizer(console)
        try whole.check(windows.ids, of: tokenizer)
    }

    /// All of a text, or the answers of records.
    private static func windows(_ path: String, _ model: OpenedModel, context: Int, _ console: Console) throws -> TextWindows {
        let tokenizer = try model.tokenizer(console), set = try DataSet.open(path)
        do {
            if case .text(let text)? = set.onlyText {
                return try TextWindows(tokenizer.encode(text, EncodingOptions(findsSpecialTokens: true)), context: context, stride: context)
            }
            let template = try PromptOptions(date: date).template(for: tokenizer, path: model.path, otherwise: .alpaca, console)
            let encoder = SampleEncoder(tokenizer, template: template, lesson: .completions, swaps: false, limit: context)
            let samples = try encoder.encode(set.records.enumerated().map { ($0.offset, $0.element) }).samples
            guard !samples.isEmpty else { throw Failure("\(path): there is nothing in its records that would be measured") }
            return try TextWindows(samples: samples.map { ($0.tokens, $0.isLearned) })
        } catch let error as SampleError {
            throw Failure("\(path): \(set.places[error.record]): \(error.reason)", hint: error.reason.hint ?? "leave out such records")
        } catch let error as EvaluationError {
            throw Failure("\(path): \(error.message)", hint: error.hint)
        }
    }

    /// Reads the text.
    ///
    /// - Parameter merged: the path of what was written.
    func run(merged path: String, _ console: Console) throws -> MergedPredictions {
        let context = context
        let merged = try console.openModel(ModelOptions(path: path), besides: whole.memory?.total ?? 0) { _ in context }
        func evaluated(_ model: OpenedModel, _ weights: ModelWeights, _ name: String) -> EvaluationModel {
            EvaluationModel(name: name, configuration: model.configuration, weights: weights)
        }
        let progress = console.progress("reading", total: windows.predictedCount, unit: .items("tokens"))
        do {
            let comparison = try CandidateComparison(
                evaluated(whole, whole.loaded.weights, whole.path), evaluated(merged, try merged.weights(engine: engine), path),
                against: evaluated(whole, try whole.weights(engine: engine), whole.title), on: windows, engine: engine)
            let report = try comparison.run { progress.advance(by: $0) }
            progress.finish()
            return MergedPredictions(report: report, text: self.path, yardstick: whole.title)
        } catch let error as EvaluationError {
            throw Failure(error.message, hint: error.hint)
        }
    }
}

/// What a merged model makes of a text: A is the model without the adapters, B what was merged, the reference has them beside it.
struct MergedPredictions {
    let report: CandidateReport
    let text: String
    let yardstick: String

    private var losses: (without: Double, beside: Double, merged: Double) {
        (report.a.perplexity.loss.mean, report.reference.loss.mean, report.b.perplexity.loss.mean)
    }

    /// Of what the adapters gain on the text; nil where they gain nothing.
    var keptGain: Double? {
        let gain = losses.without - losses.beside
        return gain > 0 ? (losses.without - losses.merged) / gain : nil
    }

    /// Divergence as a share of that of the model without the adapters; nil where that is none.
    var share: Double? { report.a.divergence.mean > 0 ? report.b.divergence.mean / report.a.divergence.mean : nil }

    var lines: [String] {
        let (a, b) = (report.a.divergence, report.b.divergence)
        func plusMinus(_ mean: SampleMean) -> String {
            "\(NumberText.significant(mean.mean, digits: 3)) ± \(NumberText.significant(mean.standardError, digits: 2))"
        }
        let share = share.map { ", \(NumberText.significant($0, digits: 2)) of that without the adapters (\(plusMinus(a)))" } ?? ""
        let kept = keptGain.map { "\(NumberText.percent($0)) of what the adapters gain is kept" } ?? "the adapters gain nothing on it"
        let (without, beside, merged) = losses
        func loss(_ value: Double) -> String { NumberText.fixed(value, decimals: 3) }
        return [
            "on \(NumberText.grouped(report.tokenCount)) tokens of \(text): KL divergence from \(yardstick) is \(plusMinus(b)) nats\(share)",
            "loss \(loss(without)) without the adapters, \(loss(beside)) with them beside the model, \(loss(merged)) merged: \(kept)",
        ]
    }

    var document: JSONValue {
        .object([
            "text": .string(text), "tokens": .integer(report.tokenCount), "reference": .string(yardstick),
            "kl_mean": .double(report.b.divergence.mean), "kl_error": .double(report.b.divergence.standardError),
            "kl_mean_without": .double(report.a.divergence.mean), "kl_error_without": .double(report.a.divergence.standardError),
            "loss": .double(losses.merged), "loss_beside": .double(losses.beside), "loss_without": .double(losses.without),
            "loss_gain_kept": keptGain.map { .double($0) } ?? .null,
        ])
    }
}
