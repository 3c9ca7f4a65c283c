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
    /// The base's weights, with the head that was asked for.
    let base: LoadedModel

    /// Positions of a conversation where nothing else is asked for.
    static let defaultContextLength = 4096

    init(_ arguments: ParsedArguments, _ console: Console) throws {
        let path = arguments.positional(always: "model")
        let checkpoint = try console.openCheckpoint(path)
        MappedFile.exitOnLostPages()
        // Before anything is mapped: configuration and memory.
        let configuration = try LoadedModel.configuration(of: checkpoint)
        isExact = arguments.flag("exact")
        let positions = try Self.contextLength(configuration, arguments)
        try Self.checkMemory(
            checkpoint, configuration, positions: arguments.isGiven("context") ? positions : min(positions, Self.defaultContextLength),
            isExact: isExact)
        if arguments.flag("verify") { try Self.verify(checkpoint, arguments, console) }
        let loaded = try LoadedModel(checkpoint)
        for warning in loaded.warnings { console.warning("\(path): \(warning)") }
        engine = MatrixEngine(pool: WorkerPool(threadCount: arguments.integer("threads")))
        let usesBytes = arguments.string(always: "head") == "8bit" && !isExact
        model = loaded
        base = usesBytes ? loaded.withCompactHead(pool: engine.pool) : loaded
        adapters = try arguments.strings("adapter").map { try NamedAdapter($0) }
        for adapter in adapters {
            for warning in adapter.adapter.warnings { console.warning("\(adapter.adapter.path): \(warning)") }
            adapter.warnOfOtherBase(checkpoint, console)
        }
    }

    var configuration: ModelConfiguration { model.configuration }

    /// The base with some of the adapters, all of which fit it.
    func weights(_ active: [NamedAdapter]) throws -> ModelWeights {
        try base.weights(with: active.map { ($0.adapter, $0.weight) }, engine: engine)
    }

    func session(_ weights: ModelWeights, contextLength: Int) -> InferenceSession {
        InferenceSession(
            configuration, weights, engine: engine, contextLength: contextLength, precision: isExact ? .exact : .fast,
            cacheType: isExact ? .f32 : .f16)
    }

    /// The tokenizer, where the model has one that fits.
    func tokenizer(_ console: Console) throws -> Tokenizer {
        let tokenizer = try model.checkpoint.tokenizer()
        try model.check(tokenizer)
        for warning in tokenizer.warnings { console.warning("\(model.checkpoint.path): \(warning)") }
        return tokenizer
    }

    /// What `--context` asks for, or what the model was made for.
    static func contextLength(_ configuration: ModelConfiguration, _ arguments: ParsedArguments) throws -> Int {
        guard let asked = arguments.integer("context") else { return configuration.contextLength }
        guard configuration.rotary != nil || asked <= configuration.contextLength else {
            throw UsageError("--context \(asked): the model has positions for \(configuration.contextLength) tokens only")
        }
        return asked
    }

    /// Refuses what would push the weights out of memory again and again, while it costs nothing yet.
    private static func checkMemory(
        _ checkpoint: Checkpoint, _ configuration: ModelConfiguration, positions: Int, isExact: Bool
    ) throws {
        let estimate = MemoryEstimate(checkpoint, configuration, positions: positions, isExact: isExact)
        guard let available = MemoryEstimate.available, estimate.total > available else { return }
        throw Failure(
            "\(checkpoint.path) needs about \(NumberText.byteCount(estimate.total)) of memory "
                + "(\(NumberText.byteCount(estimate.weights)) of weights, \(NumberText.byteCount(estimate.cache)) for a context of "
                + "\(positions)), but \(NumberText.byteCount(available)) are available",
            hint: "a 4-bit model takes a quarter of one in 16 bits ('qconvert to-nf4'); --context sets up less room")
    }

    private static func verify(_ checkpoint: Checkpoint, _ arguments: ParsedArguments, _ console: Console) throws {
        let progress = console.progress("verifying", total: checkpoint.storedByteCount)
        let resources = try Resources(threadCount: arguments.integer("threads"), progress: { progress.advance(by: $0) })
        let report = try IntegrityCheck(checkpoint, resources: resources).run()
        progress.finish()
        if let problem = report.problems.first {
            throw FileError(
                checkpoint.path, at: "tensor '\(problem.tensor)'", problem.message, hint: "fetch or convert the model again")
        }
        if report.checksumCount == 0 {
            console.warning("\(checkpoint.path): the format keeps no checksums: only values that are not finite were looked for")
        }
    }
}
