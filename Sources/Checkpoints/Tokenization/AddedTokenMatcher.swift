/// Finds added tokens in text: from the left, at each place the longest.
struct AddedTokenMatcher: Sendable {
    /// A piece of text: an added token, or what lies between two.
    enum Piece: Equatable, Sendable {
        case text(Range<Int>)
        /// And where it begins.
        case token(TokenID, at: Int)
    }

    private var tokens: [AddedToken] = []
    /// A trie: node << 8 | byte -> node; 0 is the root.
    private var children = IntegerTable()
    private var nodeCount: UInt64 = 1
    /// Node -> index of the token that ends there.
    private var ending = IntegerTable()
    private var firstBytes = [Bool](repeating: false, count: 256)

    var isEmpty: Bool { tokens.isEmpty }

    /// - Parameter pattern: what is looked for in the token's place; an empty one is never found.
    mutating func add(_ token: AddedToken, as pattern: [UInt8]) {
        guard let first = pattern.first else { return }
        firstBytes[Int(first)] = true
        var node: UInt64 = 0
        for byte in pattern {
            let key = node << 8 | UInt64(byte)
            if children[key] == IntegerTable.missing {
                children[key] = nodeCount
                nodeCount += 1
            }
            node = children[key]
        }
        ending[node] = UInt64(tokens.count)
        tokens.append(token)
    }

    /// Cuts text into added tokens and what lies between.
    ///
    /// - Parameter markup: where special tokens are found, in ascending order; elsewhere they are text like any other.
    func pieces(of text: [UInt8], findsSpecialIn markup: [Range<Int>]) -> [Piece] {
        guard !text.isEmpty else { return [] }
        guard !tokens.isEmpty else { return [.text(0..<text.count)] }
        var pieces: [Piece] = []
        var textStart = 0
        var position = 0
        var markup = markup[...]
        while position < text.count {
            guard firstBytes[Int(text[position])], let (index, end) = longestMatch(in: text.span, at: position) else {
                position += 1
                continue
            }
            let token = tokens[index]
            var (start, stop) = (position, end)
            position = end
            while let first = markup.first, first.upperBound < end { markup.removeFirst() }
            if token.isSpecial, !(markup.first.map { $0.lowerBound <= start } ?? false) { continue }
            if token.isSingleWord, Self.isInsideWord(start, stop, in: text) { continue }
            if token.stripsLeft { start = max(Self.startOfSpaces(in: text, endingAt: start), textStart) }
            if token.stripsRight { stop = Self.endOfSpaces(in: text, from: stop) }
            // All of it was already space of the token before; the tokenizers library then finds none, but only where it strips left.
            guard start < stop else { continue }
            if textStart < start { pieces.append(.text(textStart..<start)) }
            pieces.append(.token(token.id, at: start))
            textStart = stop
        }
        if textStart < text.count { pieces.append(.text(textStart..<text.count)) }
        return pieces
    }

    private func longestMatch(in text: Span<UInt8>, at start: Int) -> (index: Int, end: Int)? {
        var node: UInt64 = 0
        var position = start
        var found: (Int, Int)?
        while position < text.count {
            node = children[node << 8 | UInt64(text[position])]
            if node == IntegerTable.missing { break }
            position += 1
            let index = ending[node]
            if index != IntegerTable.missing { found = (Int(index), position) }
        }
        return found
    }

    private static func isInsideWord(_ start: Int, _ end: Int, in text: [UInt8]) -> Bool {
        if start > 0, isWord(scalar(in: text.span, at: startOfScalar(in: text.span, endingAt: start)).value) { return true }
        return end < text.count && isWord(scalar(in: text.span, at: end).value)
    }

    /// `\w`, as the tokenizers library takes it.
    private static func isWord(_ value: UInt32) -> Bool {
        let bounds = CharacterRanges.words
        // The first range that does not end before the scalar.
        var (low, high) = (0, bounds.count / 2)
        while low < high {
            let middle = (low + high) / 2
            if bounds[2 * middle + 1] < value { low = middle + 1 } else { high = middle }
        }
        return 2 * low < bounds.count && bounds[2 * low] <= value
    }

    private static func startOfSpaces(in text: [UInt8], endingAt end: Int) -> Int {
        var start = end
        while start > 0 {
            let before = startOfScalar(in: text.span, endingAt: start)
            guard CharacterClass.table[Int(scalar(in: text.span, at: before).value)] == .space else { break }
            start = before
        }
        return start
    }

    private static func endOfSpaces(in text: [UInt8], from start: Int) -> Int {
        var end = start
        while end < text.count {
            let (value, byteCount) = scalar(in: text.span, at: end)
            guard CharacterClass.table[Int(value)] == .space else { break }
            end += byteCount
        }
        return end
    }
}
