import Architectures
import CommandLineKit
import Evaluation
import ModelLoading
import ModelToolSupport
import Tokenization
import Transformer

/// A model as it is measured: with its adapters and its tokenizer, in float32 but where something else is asked for.
struct MeasuredModel {
    let opened: OpenedModel
    let weights: ModelWeights
    let tokenizer: Tokenizer
    /// Of products; everything else is in float32.
    let precision: MatrixEngine.Precision

    /// A default context no longer than this: attention takes the square of it.
    static let defaultContext = 2048

    /// - Parameters:
    ///   - context: positions that will be set up; nil for the default.
    ///   - others: models that are held in memory at the same time.
    init(
        _ options: ModelOptions, context: Int?, precision: MatrixEngine.Precision = .exact, beside others: [MeasuredModel] = [],
        engine: MatrixEngine, _ console: Console
    ) throws {
        self.precision = precision
        opened = try console.openModel(options, besides: others.reduce(0) { $0 + ($1.opened.memory?.total ?? 0) }) {
            context ?? min(Self.defaultContext, $0.contextLength)
        }
        weights = try opened.weights(engine: engine)
        tokenizer = try opened.tokenizer(console)
    }

    var path: String { opened.path }
    var adapters: [String] { opened.options.adapters }
    var title: String { precision == .exact ? opened.title : "\(opened.title), \(precision.rawValue) precision" }
    var configuration: ModelDescription { opened.configuration }
    var evaluated: EvaluationModel { evaluated(in: precision) }

    func evaluated(in precision: MatrixEngine.Precision) -> EvaluationModel {
        EvaluationModel(
            name: path, configuration: configuration, weights: weights, cacheType: opened.options.cacheType ?? .f32, precision: precision)
    }

    /// Refuses ids of a text that have no row in the embedding.
    func check(_ ids: [TokenID]) throws { try opened.check(ids, of: tokenizer) }
}
