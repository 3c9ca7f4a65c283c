/// Where text is cut into the words that are encoded by themselves.
///
/// The expressions are those that tokenizer.json spells out. The most frequent ones have functions of their own in `WordScanning`,
/// which find what the automaton of `ExpressionSplit` finds for all others.
enum SplittingRule: Hashable, Sendable {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    ///
    /// n is 3 for Llama 3, 1 for Qwen 2.
    case llama3(digitCount: Int)
    /// Any other expression.
    case expression(ExpressionSplit)
    /// Before every `▁`, or only where one follows something else.
    case marks(every: Bool)

    /// The expressions as tokenizer.json spells them.
    static let bySpelling: [String: SplittingRule] = [
        SplittingExpressions.gpt2: .gpt2,
        #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: .gpt2,
        SplittingExpressions.llama3: .llama3(digitCount: 3), SplittingExpressions.qwen2: .llama3(digitCount: 1),
    ]

    /// Where the word that begins at `start` ends, which is after `start`.
    ///
    /// - Parameters:
    ///   - end: of the text that is cut; what comes after it is not looked at.
    ///   - state: of this rule and this text.
    /// - Returns: the end, and whether the word is one: some rules leave out what lies between.
    func nextWord(
        in text: Span<UInt8>, from start: Int, to end: Int, _ words: WordScanning, _ state: inout ExpressionSplit.State
    ) -> (end: Int, isKept: Bool) {
        switch self {
        case .gpt2: (words.endOfGPT2Word(in: text, from: start, to: end), true)
        case .llama3(let digitCount): (words.endOfLlama3Word(in: text, from: start, to: end, digitCount: digitCount), true)
        case .marks(let every): (words.endOfMarkedWord(in: text, from: start, to: end, every: every), true)
        case .expression(let split): split.nextWord(in: text, from: start, to: end, &state)
        }
    }
}
