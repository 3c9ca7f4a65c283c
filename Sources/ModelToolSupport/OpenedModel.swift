import Checkpoints
package import CommandLineKit
package import ModelLoading
package import Tokenization
import ToolSupport
package import Transformer

/// A model as a tool runs it.
package struct OpenedModel: Sendable {
    package let path: String
    package let loaded: LoadedModel
    /// With the adapters that were asked for.
    package let weights: ModelWeights
    package let tokenizer: Tokenizer

    package var configuration: ModelConfiguration { loaded.configuration }
}

extension Console {
    /// Opens a model with its tokenizer, ready to run, and passes on what is odd about it.
    ///
    /// - Throws: where it is no model that can be run, or its tokenizer has tokens that it does not know.
    package func openModel(_ path: String) throws -> OpenedModel {
        let loaded = try LoadedModel(openCheckpoint(path))
        let tokenizer = try loaded.checkpoint.tokenizer()
        for warning in loaded.warnings + tokenizer.warnings { self.warning("\(path): \(warning)") }
        try loaded.check(tokenizer)
        return OpenedModel(path: path, loaded: loaded, weights: loaded.weights, tokenizer: tokenizer)
    }
}
