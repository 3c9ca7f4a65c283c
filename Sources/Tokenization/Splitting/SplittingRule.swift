/// Where text is cut into the words that are encoded by themselves.
///
/// The expressions are those that tokenizer.json spells out. `WordScanning` matches them as a
/// backtracking engine would: alternatives in their order, each as long as it gets.
enum SplittingRule: Hashable, Sendable {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    ///
    /// n is 3 for Llama 3, 1 for Qwen 2.
    case llama3(digitCount: Int)
    /// Numbers apart from everything else: each digit a word, or each run of digits.
    case digits(individually: Bool)
    /// Before every `▁`, or only where one follows something else.
    case marks(every: Bool)

    /// The expressions as tokenizer.json spells them.
    static let bySpelling: [String: SplittingRule] = [
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: .gpt2,
        #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: .gpt2,
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#:
            .llama3(digitCount: 3),
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#:
            .llama3(digitCount: 1),
    ]

    /// Where the word that begins at `start` ends, which is after `start`.
    ///
    /// - Parameter end: of the text that is cut; what comes after it is not looked at.
    func endOfWord(in text: Span<UInt8>, from start: Int, to end: Int, _ words: WordScanning) -> Int {
        switch self {
        case .gpt2: words.endOfGPT2Word(in: text, from: start, to: end)
        case .llama3(let digitCount): words.endOfLlama3Word(in: text, from: start, to: end, digitCount: digitCount)
        case .digits(let individually): words.endOfDigits(in: text, from: start, to: end, individually: individually)
        case .marks(let every): words.endOfMarkedWord(in: text, from: start, to: end, every: every)
        }
    }
}
