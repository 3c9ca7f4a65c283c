import Architectures
import CommandLineKit
import ModelToolSupport
import PromptSupport
import Prompts
import Transformer

/// What a command line asks `qrun` and `qrun chat` for.
struct RunOptions {
    let model: ModelOptions
    let prompts: PromptOptions
    /// Opens the conversation.
    let system: String?
    /// Positions; nil for what the model was made for.
    let context: Int?
    let tokenLimit: Int
    let sampling: SamplingSettings
    let stopTexts: [String]
    /// Of products with weights; float32 throughout where it is exact.
    let precision: MatrixEngine.Precision
    /// Of keys and values.
    let cacheType: CacheType
    /// An output head in 8 bits, made at load.
    let hasCompactHead: Bool
    /// What guesses tokens; nil for nothing.
    let draft: DraftChoice?

    init(_ arguments: ParsedArguments) throws {
        var model = ModelOptions(
            path: arguments.positional(always: "model"), adapters: arguments.strings("adapter"),
            tokenizer: arguments.string("tokenizer"), threadCount: arguments.integer("threads"))
        model.verifies = arguments.flag("verify")
        let stated = arguments.precision
        if arguments.flag("exact"), let stated, stated != .exact {
            throw UsageError("--exact and --precision \(stated.rawValue) exclude each other")
        }
        let precision = arguments.flag("exact") ? .exact : stated ?? Self.defaultPrecision
        self.precision = precision
        draft = try DraftChoice(arguments)
        cacheType = arguments.string("cache").flatMap(CacheType.init) ?? (precision == .exact ? .f32 : .f16)
        model.cacheType = cacheType
        self.model = model
        var prompts = try PromptOptions(arguments)
        prompts.isThinkingOff = arguments.flag("no-thinking")
        prompts.tools = try arguments.string("tools").map { try ConversationFiles.tools($0) }
        prompts.documents = try arguments.string("documents").map { try ConversationFiles.documents($0) }
        self.prompts = prompts
        system = arguments.string("system")
        context = arguments.integer("context")
        tokenLimit = arguments.integer(always: "max-tokens")
        let topK = arguments.integer(always: "top-k")
        sampling = SamplingSettings(
            temperature: Float(arguments.number(always: "temperature")), topK: topK > 0 ? topK : nil,
            // A share of 0 still keeps the most probable token.
            topP: max(Float(arguments.number(always: "top-p")), .leastNormalMagnitude), minP: Float(arguments.number(always: "min-p")),
            repeatPenalty: Float(arguments.number(always: "repeat-penalty")), seed: UInt64(arguments.integer(always: "seed")))
        stopTexts = arguments.strings("stop")
        guard !stopTexts.contains("") else { throw UsageError("--stop needs a text, not an empty one") }
        hasCompactHead = arguments.string(always: "head") == "8bit" && precision != .exact
    }

    static let defaultPrecision = MatrixEngine.Precision.balanced

    var isExact: Bool { precision == .exact }

    /// What stands before a person's first words.
    var opening: Conversation {
        var conversation = Conversation(tools: prompts.tools, documents: prompts.documents)
        if let system { conversation.append("system", system) }
        return conversation
    }

    /// A question in a conversation of its own.
    func conversation(_ question: String) -> Conversation {
        var conversation = opening
        conversation.append("user", question)
        return conversation
    }

    /// What `--context` asks for, or what the model was made for.
    func contextLength(_ configuration: ModelDescription) throws -> Int {
        guard let context else { return configuration.contextLength }
        guard !configuration.hasLearnedPositions || context <= configuration.contextLength else {
            throw UsageError("--context \(context): the model has positions for \(configuration.contextLength) tokens only")
        }
        return context
    }

    /// The same for what is set up before it is known how much will be needed.
    func conversationLength(_ configuration: ModelDescription) throws -> Int {
        let length = try contextLength(configuration)
        return context == nil ? min(length, Self.defaultContextLength) : length
    }

    private static let defaultContextLength = 4096
}
