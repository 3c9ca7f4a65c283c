import CommandLineKit

/// How a command line has models read a text.
struct ReadingOptions {
    /// `-` is standard input; nil where there is no text.
    let path: String?
    /// Tokens of a window; nil for the models'.
    let context: Int?
    let stride: Int?
    let tokenLimit: Int?
    /// Whether special tokens that the text spells out are tokens.
    let findsSpecialTokens: Bool
    let threadCount: Int?

    init(_ arguments: ParsedArguments) {
        path = arguments.string("text")
        context = arguments.integer("context")
        stride = arguments.integer("stride")
        tokenLimit = arguments.integer("max-tokens")
        findsSpecialTokens = !arguments.flag("no-parse-special")
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
