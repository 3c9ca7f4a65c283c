import Adapters
import Checkpoints
package import CommandLineKit
package import ModelLoading
package import Tokenization
package import ToolSupport
package import Transformer

/// A model as a tool measures it.
package struct OpenedModel: Sendable {
    package let path: String
    /// As they were asked for: `FILE` or `FILE@WEIGHT`.
    package let adapters: [String]
    package let loaded: LoadedModel
    /// With the adapters that were asked for.
    package let weights: ModelWeights
    package let tokenizer: Tokenizer
    /// What running it takes.
    package let memory: MemoryEstimate

    /// A default context no longer than this: attention takes the square of it.
    package static let defaultContext = 2048

    package var configuration: ModelConfiguration { loaded.configuration }

    /// Refuses ids of a text that have no row in the embedding.
    package func check(_ ids: [TokenID]) throws {
        try loaded.check(ids, of: tokenizer, rowCount: weights.head.matrix.outputCount)
    }

    /// `model.qnf with alpaca.lora, poet.lora@0.5`.
    package var title: String { adapters.isEmpty ? path : "\(path) with \(adapters.joined(separator: ", "))" }
}

extension Console {
    /// Opens a model with its tokenizer, ready to run in float32, and passes on what is odd about it.
    ///
    /// - Parameters:
    ///   - adapters: to put on it, each `FILE` or `FILE@WEIGHT`.
    ///   - choice: whose tokenizer is used, where an adapter brings its own.
    ///   - context: positions that will be set up; nil for the default.
    ///   - other: a model that is held in memory at the same time.
    /// - Throws: where it is no model that can be run, needs more memory than there is, has a tokenizer with tokens that it does not
    ///   know, or is not what an adapter fits.
    package func openModel(
        _ path: String, adapters texts: [String] = [], tokenizer choice: AdapterTokenizer.Choice? = nil, context: Int?,
        beside other: OpenedModel? = nil, engine: MatrixEngine
    ) throws -> OpenedModel {
        let checkpoint = try openCheckpoint(path, for: .running)
        let configuration = try LoadedModel.configuration(of: checkpoint)
        let positions = context ?? min(OpenedModel.defaultContext, configuration.contextLength)
        let memory = MemoryEstimate(checkpoint, configuration, positions: positions, isExact: true)
        try memory.check(path, besides: other?.memory.total ?? 0)
        let loaded = try LoadedModel(checkpoint, configuration: configuration)
        let adapters = try NamedAdapter.all(texts)
        for adapter in adapters { try adapter.passOnWarnings(for: checkpoint, self) }
        let weights = try loaded.weights(with: adapters.map { ($0.adapter, $0.weight) }, engine: engine)
        let rowCount = weights.head.matrix.outputCount
        let files = try AdapterTokenizer.files(
            choice, of: adapters.map(\.adapter), base: checkpoint, isResized: rowCount != configuration.vocabularySize, self)
        let tokenizer = try checkpoint.tokenizer(of: files)
        for warning in loaded.warnings + tokenizer.warnings { self.warning("\(path): \(warning)") }
        try loaded.check(tokenizer, rowCount: rowCount)
        return OpenedModel(path: path, adapters: texts, loaded: loaded, weights: weights, tokenizer: tokenizer, memory: memory)
    }
}
