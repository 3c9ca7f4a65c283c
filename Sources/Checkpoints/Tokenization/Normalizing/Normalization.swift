/// What is done to text before it is cut into words.
enum Normalization: Hashable, Sendable {
    /// Unicode's form C.
    case composition
    /// Unicode's form D.
    case decomposition
    /// What looks nearly alike becomes the same, as in Unicode's forms KC and KD; one of the two above follows.
    case compatibility
    /// Put in front of text that is not empty.
    case prefix([UInt8])
    case replacement(of: [UInt8], with: [UInt8])
    case replacementOfMatches(ExpressionAutomaton, with: [UInt8])
    /// Spaces at both ends go, and of several in a row all but one.
    case spaceRemoval

    /// - Parameter continues: that the text goes on where other text ended: no prefix.
    func apply(to text: [UInt8], continues: Bool) -> [UInt8] {
        switch self {
        case .composition: CanonicalComposition.composed(text)
        case .decomposition: CanonicalComposition.decomposed(text)
        case .compatibility: CompatibilityMappings.mapped(text)
        case .prefix(let prefix): text.isEmpty || continues ? text : prefix + text
        case .replacement(let pattern, let content): Self.replacing(pattern, with: content, in: text)
        case .replacementOfMatches(let automaton, let content): Self.replacing(automaton, with: content, in: text)
        case .spaceRemoval: Self.removingSpaces(text)
        }
    }

    /// - Parameter pattern: not empty.
    private static func replacing(_ pattern: [UInt8], with content: [UInt8], in text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var position = 0
        while position < text.count {
            if text[position] == pattern[0], text[position...].starts(with: pattern) {
                result += content
                position += pattern.count
            } else {
                result.append(text[position])
                position += 1
            }
        }
        return result
    }

    private static func replacing(_ automaton: ExpressionAutomaton, with content: [UInt8], in text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var position = 0
        var failures = MatchFailures()
        while let match = automaton.firstMatch(in: text.span, from: position, to: text.count, &failures) {
            result += text[position..<match.lowerBound] + content
            position = match.upperBound
        }
        return result + text[position...]
    }

    private static func removingSpaces(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        for byte in text where byte != UInt8(ascii: " ") || (result.last ?? byte) != byte { result.append(byte) }
        if result.last == UInt8(ascii: " ") { result.removeLast() }
        return result
    }
}
