/// What the files of a tokenizer say, whichever they are.
struct TokenizerParts: Sendable {
    var vocabulary: Vocabulary
    var merges: MergeTable
    var alphabet: SymbolAlphabet
    /// What a word can be as a whole, whatever merging would make of it; nil where merges decide alone.
    var wholeWords: Vocabulary?
    var addedTokens: [AddedToken]
    var normalizations: [Normalization] = []
    /// Whether spaces become `▁` between added tokens, before the prefix goes in front.
    var marksSpaces = false
    var prefix = TextPrefix.none
    /// One after the other: each cuts what the one before left.
    var splitting: [SplittingRule] = []
    /// The same for text in the byte alphabet, after those.
    var byteSplitting: [SplittingRule] = []
    /// What goes around a text as special tokens.
    var before: [TokenID] = []
    var after: [TokenID] = []
    var decoding: Decoding
    /// What is odd about the files.
    var warnings: [String] = []
}

/// How tokens become text again.
enum Decoding: Hashable, Sendable {
    /// Spellings are bytes in GPT-2's alphabet.
    case byteAlphabet
    /// `▁` is a space, `<0x0A>` a byte, and so many spaces at the beginning of the text are not shown.
    case marks(hiddenSpaceCount: Int)
    /// Tokens are words, with a space between any two.
    case words

    /// The bytes that a token stands for.
    func bytes(of spelling: ArraySlice<UInt8>, isAdded: Bool) -> [UInt8] {
        switch self {
        case .words: Self.space + spelling
        case .byteAlphabet: isAdded ? Array(spelling) : ByteAlphabet.bytes(of: spelling) ?? Array(spelling)
        case .marks:
            Self.byteToken(spelling).map { [$0] }
                ?? Normalization.replacement(of: Self.mark, with: Self.space).apply(to: Array(spelling), continues: true)
        }
    }

    /// `▁`, in which SentencePiece writes spaces.
    static let mark: [UInt8] = [0xe2, 0x96, 0x81]
    static let space: [UInt8] = [UInt8(ascii: " ")]

    /// The byte that `<0x0A>` stands for.
    private static func byteToken(_ spelling: ArraySlice<UInt8>) -> UInt8? {
        guard spelling.count == 6, spelling.starts(with: "<0x".utf8), spelling.last == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: spelling.dropFirst(3).dropLast(), as: UTF8.self), radix: 16)
    }

    /// `<0x0A>` of a byte.
    static func byteToken(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "<0x\(digits.count == 1 ? "0" : "")\(digits)>"
    }
}
