import Architectures
import Checkpoints
import CommandLineKit
import Inspection
import ModelLoading
import ModelToolSupport
import Parallelism
import Streaming
import TensorCore
import Tokenization
import Transformer

/// A model opened as the command line asks for.
struct ModelSetup {
    let options: RunOptions
    let model: OpenedModel
    let engine: MatrixEngine
    /// The base's weights, with the head that was asked for.
    private let base: LoadedModel

    init(_ options: RunOptions, _ console: Console) throws {
        self.options = options
        model = try console.openModel(options.model, isExact: options.isExact) { try options.conversationLength($0) }
        engine = MatrixEngine(pool: WorkerPool(threadCount: options.model.threadCount))
        base = options.hasCompactHead ? model.loaded.withCompactHead(pool: engine.pool) : model.loaded
    }

    var configuration: ModelDescription { model.configuration }

    /// The base with one of the adapters alone, or with none.
    func weights(with adapter: NamedAdapter?) throws -> ModelWeights {
        try base.weights(with: adapter.map { [($0.adapter, $0.weight)] } ?? [], engine: engine)
    }

    /// With all adapters.
    ///
    /// - Throws: where the memory does not suffice for so long a context.
    func session(contextLength: Int) throws -> InferenceSession {
        try model.checkMemory(positions: contextLength, isExact: options.isExact)
        return InferenceSession(
            configuration, try model.weights(on: base, engine: engine), engine: engine, contextLength: contextLength,
            precision: options.precision, cacheType: options.cacheType)
    }

    /// What the model takes, without adapters.
    func estimate(contextLength: Int) -> MemoryEstimate {
        MemoryEstimate(
            model.checkpoint, configuration, positions: contextLength, isExact: options.isExact, cacheType: options.cacheType)
    }

    /// The tokenizer for a run that needs none; nil, with a warning where there is something like one, if it cannot be used.
    func tokenizerIfAny(_ console: Console) -> Tokenizer? {
        guard model.companionFiles.contains(where: { Self.tokenizerNames.contains($0.name) }) else { return nil }
        do {
            return try model.tokenizer(console)
        } catch {
            console.warning("\(error)", hint: "ids go in and come out: no text is shown")
            return nil
        }
    }

    private static let tokenizerNames: Set<String> = ["tokenizer.json", "tekken.json", "tokenizer.model", "vocab.json", "encoder.json"]
}
