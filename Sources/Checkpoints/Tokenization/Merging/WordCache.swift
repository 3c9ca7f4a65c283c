/// The tokens of words met before. Text repeats its words: nearly all of them are found here.
struct WordCache: Sendable {
    /// Longer words are seldom met again.
    static let byteCountLimit = 48
    /// When it is full it starts afresh.
    private static let wordCountLimit = 1 << 16

    private var words = ByteStringTable()
    private var tokens: [TokenID] = []
    private var ends: [Int] = []

    /// Appends the tokens of `text[start..<end]`; false, and nothing appended, where the word is not known.
    func append(_ text: Span<UInt8>, from start: Int, to end: Int, to ids: inout [TokenID]) -> Bool {
        guard let index = words.index(of: text, from: start, to: end) else { return false }
        for i in (index == 0 ? 0 : ends[index - 1])..<ends[index] { ids.append(tokens[i]) }
        return true
    }

    mutating func add(_ text: Span<UInt8>, from start: Int, to end: Int, tokens newTokens: [TokenID]) {
        if words.count >= Self.wordCountLimit {
            words.removeAll()
            tokens.removeAll(keepingCapacity: true)
            ends.removeAll(keepingCapacity: true)
        }
        guard words.add(text, from: start, to: end) != nil else { return }
        tokens += newTokens
        ends.append(tokens.count)
    }
}
