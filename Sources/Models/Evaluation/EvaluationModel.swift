package import Architectures
package import Transformer

/// A model as it is measured: what it computes with which weights, adapters included.
package struct EvaluationModel: Sendable {
    /// As messages call it.
    package let name: String
    package let configuration: ModelDescription
    package let weights: ModelWeights
    /// In float32 where the weights are to be measured and nothing else.
    package let cacheType: CacheType
    /// Of products with its weights.
    package let precision: MatrixEngine.Precision

    package init(
        name: String, configuration: ModelDescription, weights: ModelWeights, cacheType: CacheType = .f32,
        precision: MatrixEngine.Precision = .exact
    ) {
        self.name = name
        self.configuration = configuration.fitted(vocabularySize: weights.head.matrix.outputCount)
        self.weights = weights
        self.cacheType = cacheType
        self.precision = precision
    }

    /// Refuses a text with tokens that the model does not know.
    func check(_ windows: TextWindows) throws(EvaluationError) {
        guard let largest = windows.ids.max(), Int(largest) >= configuration.vocabularySize else { return }
        throw EvaluationError(
            "the text has the token \(largest), but the tokens of \(name) go from 0 to \(configuration.vocabularySize - 1)",
            hint: "tokenizer and weights are not of the same model")
    }

    /// A session for windows of `context` tokens. Fast products differ for few positions alone: they are measured as tokens are decoded.
    func session(context: Int, engine: MatrixEngine) -> InferenceSession {
        InferenceSession(
            configuration, weights, engine: engine, contextLength: context, precision: precision, cacheType: cacheType,
            passLength: precision == .fast ? MatrixEngine.fewRows : nil)
    }
}
