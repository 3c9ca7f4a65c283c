import Calibration
import CalibrationSupport
import Checkpoints
import CommandLineKit
import Comparison
import JSONText
import ModelLoading
import Parallelism
import Reports
import ToolSupport
import Transformer

/// What `--activations` asks for: errors of what layers put out on a text.
struct ActivationCheck {
    private let comparison: OutputComparison
    private let text: CalibrationText

    /// How much of the text is read unless it is said.
    static let defaultTokenCount = 2048

    /// Nil where nobody asks.
    ///
    /// - Throws: where the source cannot be run, or a text does not do: before the work begins.
    init?(_ arguments: ParsedArguments, source: Checkpoint, model: Checkpoint, _ console: Console) throws {
        let paths = arguments.strings("activations")
        guard !paths.isEmpty else {
            guard !arguments.isGiven("tokens") else {
                throw UsageError("--tokens says how much of a text layers are run on, but there is no --activations")
            }
            return nil
        }
        let layered = try LayeredModel(source)
        text = try CalibrationText(paths, tokenLimit: arguments.integer("tokens") ?? Self.defaultTokenCount, for: layered, console)
        try OutputComparison.memory(layered, text.samples).check(source.path, limit: arguments.byteCount("max-memory"))
        comparison = try OutputComparison(
            source: layered, text.samples, model: model, engine: MatrixEngine(pool: WorkerPool(threadCount: arguments.integer("threads"))))
    }

    func run(_ console: Console) throws -> OutputErrors {
        let progress = console.progress("running", total: comparison.layerCount, unit: .items("layers"))
        let errors = try comparison.run { progress.advance(by: 1) }
        progress.finish()
        return OutputErrors(errors: errors, tokenCount: text.samples.tokenCount, texts: text.note(damping: 1).texts.map(\.name))
    }
}

/// Errors of what layers put out, and on what.
struct OutputErrors {
    /// By the names of weights, as shares of what they put out.
    let errors: [String: Double]
    let tokenCount: Int
    let texts: [String]

    /// Root of the mean of the squares, over those of some weights that were measured; nil where none was.
    func mean(of names: [String]) -> Double? {
        let found = names.compactMap { errors[$0] }
        return found.isEmpty ? nil : (found.reduce(0) { $0 + $1 * $1 } / Double(found.count)).squareRoot()
    }

    /// Over all.
    var mean: Double? { mean(of: Array(errors.keys).sorted()) }

    var line: String {
        "outputs: error of what the \(errors.count) linear layers put out on \(NumberText.grouped(tokenCount)) tokens of "
            + "\(texts.joined(separator: ", ")), as a share of it; root of the mean square "
            + (mean.map { NumberText.fixed($0, decimals: 4) } ?? "-")
    }

    var document: JSONValue {
        .object([
            "texts": .strings(texts), "tokens": .integer(tokenCount), "tensors": .integer(errors.count),
            "output_error": mean.map { .double($0) } ?? .null,
        ])
    }

    /// A table of all weights, those that are worst first.
    var chapter: ReportPage.Chapter {
        let rows = errors.sorted { (-$0.value, $0.key) < (-$1.value, $1.key) }.map { name, error in
            HTML.row(.name(name), cells: [NumberText.percent(error, decimals: 2)])
        }
        return ReportPage.Chapter(
            id: "outputs", title: "Outputs", heading: "What layers put out on a text",
            [
                .tag("p", [:], .text(line + ". Every layer sees what the source's layer sees.")),
                .table("Error of the outputs of each linear layer", ["weight", "error"], rows),
            ])
    }
}
