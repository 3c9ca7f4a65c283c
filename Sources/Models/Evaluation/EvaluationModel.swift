package import Architectures
import TensorCore
package import Transformer

/// A model as it is measured: what it computes with which weights, adapters included.
package struct EvaluationModel: Sendable {
    /// As messages call it.
    package let name: String
    package let configuration: ModelDescription
    package let weights: ModelWeights

    package init(name: String, configuration: ModelDescription, weights: ModelWeights) {
        self.name = name
        self.configuration = configuration.fitted(vocabularySize: weights.head.matrix.outputCount)
        self.weights = weights
    }

    /// Refuses a text with tokens that the model does not know.
    func check(_ windows: TextWindows) throws(EvaluationError) {
        guard let largest = windows.ids.max(), Int(largest) >= configuration.vocabularySize else { return }
        throw EvaluationError(
            "the text has the token \(largest), but the tokens of \(name) go from 0 to \(configuration.vocabularySize - 1)",
            hint: "tokenizer and weights are not of the same model")
    }

    /// A session for windows of `context` tokens. Keys and values stay in float32: what is measured is the weights.
    func session(context: Int, engine: MatrixEngine) -> InferenceSession {
        InferenceSession(configuration, weights, engine: engine, contextLength: context, cacheType: .f32)
    }
}
