import Adapters
package import Architectures
import ByteIO
package import Checkpoints
package import CommandLineKit
import Inspection
package import ModelLoading
import Prompts
import Streaming
package import Tokenization
import ToolSupport
package import Transformer

/// A model that is about to be run, measured or trained, with all that can be refused refused before the work begins.
///
/// Every tool opens it in this one order: the checkpoint, what config.json says, memory, checksums where they are asked for, the
/// weights, the adapters, which tokenizer. The tokenizer itself is read when it is needed.
package struct OpenedModel: Sendable {
    package let options: ModelOptions
    package let loaded: LoadedModel
    /// In the order of the command line.
    package let adapters: [NamedAdapter]
    /// What running it takes; nil where nobody asked.
    package let memory: MemoryEstimate?
    /// Rows of the embedding with all adapters.
    package let vocabularySize: Int
    /// All adapters in their places.
    private let bound: BoundAdapters
    /// An adapter's tokenizer, where that is used; nil for the model's own.
    private let tokenizerFiles: [CompanionFile]?

    package var path: String { options.path }
    package var checkpoint: Checkpoint { loaded.checkpoint }
    package var configuration: ModelDescription { loaded.configuration }

    /// `model.qnf with alpaca.lora, poet.lora@0.5`.
    package var title: String { adapters.isEmpty ? path : "\(path) with \(options.adapters.joined(separator: ", "))" }

    init(
        _ options: ModelOptions, _ loaded: LoadedModel, memory: MemoryEstimate?, _ console: Console
    ) throws {
        self.options = options
        self.loaded = loaded
        self.memory = memory
        adapters = try NamedAdapter.all(options.adapters)
        for adapter in adapters { try adapter.passOnWarnings(for: loaded.checkpoint, console) }
        bound = try loaded.bound(adapters.map { ($0.adapter, $0.weight) })
        vocabularySize = bound.vocabularySize ?? loaded.configuration.vocabularySize
        tokenizerFiles = try AdapterTokenizer.files(
            options.tokenizer, of: adapters.map(\.adapter), base: loaded.checkpoint,
            isResized: vocabularySize != loaded.configuration.vocabularySize, console)
    }

    /// The weights with all adapters.
    ///
    /// - Parameter base: the model itself with another output head; nil for it as it is.
    package func weights(on base: LoadedModel? = nil, engine: MatrixEngine) throws -> ModelWeights {
        try (base ?? loaded).weights(with: bound, engine: engine)
    }

    /// Files that a tokenizer is read from.
    package var companionFiles: [CompanionFile] { tokenizerFiles ?? checkpoint.files }

    /// The tokenizer, where there is one that fits; passes on what is odd about it.
    package func tokenizer(_ console: Console) throws -> Tokenizer {
        let tokenizer = try checkpoint.tokenizer(of: tokenizerFiles)
        try loaded.check(tokenizer, rowCount: vocabularySize)
        for warning in tokenizer.warnings { console.warning("\(path): \(warning)") }
        return tokenizer
    }

    /// Refuses ids of a text that have no row in the embedding.
    package func check(_ ids: [TokenID], of tokenizer: Tokenizer) throws {
        try loaded.check(ids, of: tokenizer, rowCount: vocabularySize)
    }

    /// Refuses a context for which there is too little memory.
    ///
    /// - Parameter others: bytes of another model that is held at the same time.
    package func checkMemory(positions: Int, isExact: Bool, besides others: Int = 0) throws {
        try MemoryEstimate(checkpoint, configuration, positions: positions, isExact: isExact, cacheType: options.cacheType)
            .check(path, besides: others)
    }
}

extension Console {
    /// Opens a model and passes on what is odd about it.
    ///
    /// - Parameters:
    ///   - isExact: whether it will run in float32 throughout.
    ///   - others: bytes of another model that is held at the same time.
    ///   - positions: of the context that will be set up; nil where that is not known yet, and memory is checked by the caller.
    /// - Throws: where it is no model that can be run, needs more memory than there is, or is not what an adapter fits.
    package func openModel(
        _ options: ModelOptions, isExact: Bool = true, besides others: Int = 0,
        positions: (ModelDescription) throws -> Int?
    ) throws -> OpenedModel {
        let checkpoint = try openCheckpoint(options.path, for: .running)
        // Before anything is mapped.
        let configuration = try checkpoint.describedModel()
        let memory = try positions(configuration).map {
            MemoryEstimate(checkpoint, configuration, positions: $0, isExact: isExact, cacheType: options.cacheType)
        }
        try memory?.check(options.path, besides: others)
        if options.verifies { try verify(checkpoint, threadCount: options.threadCount) }
        let loaded = try LoadedModel(checkpoint, configuration: configuration)
        for warning in loaded.warnings { self.warning("\(options.path): \(warning)") }
        return try OpenedModel(options, loaded, memory: memory, self)
    }

    private func verify(_ checkpoint: Checkpoint, threadCount: Int?) throws {
        let progress = progress("verifying", total: checkpoint.storedByteCount)
        let resources = try Resources(threadCount: threadCount, progress: { progress.advance(by: $0) })
        let report = try IntegrityCheck(checkpoint, resources: resources).run()
        progress.finish()
        if let problem = (report.problems + report.flaws).first {
            throw FileError(
                checkpoint.path, at: problem.tensor.map { "tensor '\($0)'" }, problem.message, hint: "fetch or convert the model again")
        }
        if report.checksumCount == 0 {
            warning("\(checkpoint.path): the format keeps no checksums: only values that are not finite were looked for")
        }
    }
}
