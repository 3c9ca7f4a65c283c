import Adapters
import ByteIO
import Checkpoints
import CommandLineKit
import ModelLoading
import ModelToolSupport
import Operations
import Parallelism
import TensorCore
import Tokenization
import ToolSupport
import Transformer

/// A model opened as the command line asks for, with everything that can be refused refused before the work begins.
struct ModelSetup {
    let model: LoadedModel
    let engine: MatrixEngine
    let isExact: Bool
    /// In the order of the command line.
    let adapters: [NamedAdapter]
    /// An adapter's tokenizer, where that is used; nil for the model's own.
    let tokenizerFiles: [CompanionFile]?
    /// Rows of the embedding, with all adapters.
    private let vocabularySize: Int
    /// The base's weights, with the head that was asked for.
    let base: LoadedModel

    /// Positions of a conversation where nothing else is asked for.
    static let defaultContextLength = 4096

    init(_ arguments: ParsedArguments, _ console: Console) throws {
        let path = arguments.positional(always: "model")
        let checkpoint = try console.openCheckpoint(path, for: .running)
        // Before anything is mapped: configuration and memory.
        let configuration = try LoadedModel.configuration(of: checkpoint)
        isExact = arguments.flag("exact")
        let positions = try Self.contextLength(configuration, arguments)
        try MemoryEstimate(
            checkpoint, configuration, positions: arguments.isGiven("context") ? positions : min(positions, Self.defaultContextLength),
            isExact: isExact
        ).check(path)
        if arguments.flag("verify") { try Self.verify(checkpoint, arguments, console) }
        let loaded = try LoadedModel(checkpoint, configuration: configuration)
        for warning in loaded.warnings { console.warning("\(path): \(warning)") }
        engine = MatrixEngine(pool: WorkerPool(threadCount: arguments.integer("threads")))
        let usesBytes = arguments.string(always: "head") == "8bit" && !isExact
        model = loaded
        base = usesBytes ? loaded.withCompactHead(pool: engine.pool) : loaded
        adapters = try NamedAdapter.all(arguments.strings("adapter"))
        for adapter in adapters { try adapter.passOnWarnings(for: checkpoint, console) }
        let resized = try loaded.vocabularySize(with: adapters.map { ($0.adapter, $0.weight) })
        vocabularySize = resized ?? configuration.vocabularySize
        tokenizerFiles = try AdapterTokenizer.files(
            arguments.string("tokenizer").flatMap(AdapterTokenizer.Choice.init), of: adapters.map(\.adapter), base: checkpoint,
            isResized: resized != nil, console)
    }

    var configuration: ModelConfiguration { model.configuration }

    /// The base with some of the adapters, all of which fit it.
    func weights(_ active: [NamedAdapter]) throws -> ModelWeights {
        try base.weights(with: active.map { ($0.adapter, $0.weight) }, engine: engine)
    }

    /// - Throws: where the memory does not suffice for so long a context.
    func session(_ weights: ModelWeights, contextLength: Int) throws -> InferenceSession {
        try MemoryEstimate(model.checkpoint, configuration, positions: contextLength, isExact: isExact).check(model.checkpoint.path)
        return InferenceSession(
            configuration, weights, engine: engine, contextLength: contextLength, precision: isExact ? .exact : .fast,
            cacheType: isExact ? .f32 : .f16)
    }

    /// The tokenizer for a run that needs none; nil, with a warning where there is something like one, if it cannot be used.
    func tokenizerIfAny(_ console: Console) -> Tokenizer? {
        let files = tokenizerFiles ?? model.checkpoint.files
        guard files.contains(where: { Self.tokenizerNames.contains($0.name) }) else { return nil }
        do {
            return try tokenizer(console)
        } catch {
            console.warning("\(error)", hint: "ids go in and come out: no text is shown")
            return nil
        }
    }

    private static let tokenizerNames: Set<String> = ["tokenizer.json", "tokenizer.model", "vocab.json", "encoder.json"]

    /// The tokenizer, where the model has one that fits.
    func tokenizer(_ console: Console) throws -> Tokenizer {
        let tokenizer = try model.checkpoint.tokenizer(of: tokenizerFiles)
        try model.check(tokenizer, rowCount: vocabularySize)
        for warning in tokenizer.warnings { console.warning("\(model.checkpoint.path): \(warning)") }
        return tokenizer
    }

    /// Refuses ids of a text that have no row in the embedding.
    func check(_ ids: [TokenID], of tokenizer: Tokenizer) throws {
        try model.check(ids, of: tokenizer, rowCount: vocabularySize)
    }

    /// What `--context` asks for, or what the model was made for.
    static func contextLength(_ configuration: ModelConfiguration, _ arguments: ParsedArguments) throws -> Int {
        guard let asked = arguments.integer("context") else { return configuration.contextLength }
        guard configuration.rotary != nil || asked <= configuration.contextLength else {
            throw UsageError("--context \(asked): the model has positions for \(configuration.contextLength) tokens only")
        }
        return asked
    }

    private static func verify(_ checkpoint: Checkpoint, _ arguments: ParsedArguments, _ console: Console) throws {
        let progress = console.progress("verifying", total: checkpoint.storedByteCount)
        let resources = try Resources(threadCount: arguments.integer("threads"), progress: { progress.advance(by: $0) })
        let report = try IntegrityCheck(checkpoint, resources: resources).run()
        progress.finish()
        if let problem = (report.problems + report.flaws).first {
            throw FileError(
                checkpoint.path, at: problem.tensor.map { "tensor '\($0)'" }, problem.message, hint: "fetch or convert the model again")
        }
        if report.checksumCount == 0 {
            console.warning("\(checkpoint.path): the format keeps no checksums: only values that are not finite were looked for")
        }
    }
}
