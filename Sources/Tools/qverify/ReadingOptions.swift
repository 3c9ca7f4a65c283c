import CommandLineKit
import PromptSupport

/// How a command line has models read a text.
struct ReadingOptions {
    /// `-` is standard input; nil where there is no text.
    let path: String?
    /// Records whose answers are measured; nil where there are none.
    let data: String?
    /// How records are written.
    let prompts: PromptOptions
    /// Tokens of a window; nil for the models'.
    let context: Int?
    let stride: Int?
    let tokenLimit: Int?
    /// Whether special tokens that the text spells out are tokens.
    let findsSpecialTokens: Bool
    let threadCount: Int?

    /// Whether there is something to read.
    var hasText: Bool { path != nil || data != nil }

    /// What templates are told of the date: the same on every day, as in training.
    static let date = "2024-07-26"

    /// - Parameter needsText: whether there is nothing to do without one.
    init(_ arguments: ParsedArguments, needsText: Bool = false) throws(UsageError) {
        path = arguments.string("text")
        data = arguments.string("data")
        prompts = try PromptOptions(arguments, date: Self.date)
        guard !needsText || path != nil || data != nil else {
            throw UsageError("there is nothing to read", hint: "give --text FILE, or records with --data FILE")
        }
        guard path == nil || data == nil else { throw UsageError("--text and --data exclude each other") }
        if data != nil, let name = ["stride", "max-tokens"].first(where: arguments.isGiven) {
            throw UsageError("--\(name) is for --text: records are read whole")
        }
        if data == nil, let name = ["template", "template-option", "date"].first(where: arguments.isGiven) {
            throw UsageError("--\(name) says how records are written, but there is no --data")
        }
        context = arguments.integer("context")
        stride = arguments.integer("stride")
        tokenLimit = arguments.integer("max-tokens")
        findsSpecialTokens = prompts.readsSpecialTokens ?? true
        threadCount = arguments.integer("threads")
    }
}

/// How far two models may be from each other.
struct ComparisonLimits {
    /// Mean KL divergence, in nats.
    let divergence: Double?
    let perplexityRatio: Double?

    init(_ arguments: ParsedArguments) {
        divergence = arguments.number("max-kl")
        perplexityRatio = arguments.number("max-ppl-ratio")
    }

    var isEmpty: Bool { divergence == nil && perplexityRatio == nil }
}
