package import Tokenization
package import Transformer

/// Guesses that a text goes on as it did before where the same tokens stood: in quotations, code, tables, answers from a text.
///
///     ... the quick brown fox ... the quick ->  brown fox
///
/// Of all earlier places the one counts that has most of the last tokens before it, of several the last.
package struct LookupDraft: TokenDraft {
    private var length = DraftLength()
    /// Tokens that must be the same before anything is guessed: more of them where guesses were wrong.
    private var neededCount = Self.neededCounts.lowerBound

    private static let neededCounts = 2...5
    /// Tokens that are compared at most.
    private static let comparedCount = 16

    package init() {}

    package mutating func read(_ prompt: [TokenID], isInterrupted: () -> Bool) {}

    package mutating func guesses(after tokens: [TokenID], limit: Int, sampler: Sampler) -> [TokenID] {
        guard let place = place(in: tokens) else { return [] }
        let period = tokens.count - place
        // What repeats itself goes on doing so.
        return (0..<min(limit, length.count)).map { tokens[place + $0 % period] }
    }

    package mutating func learn(guessed: Int, right: Int) {
        length.learn(guessed: guessed, right: right)
        let change = right == 0 ? 1 : right == guessed ? -1 : 0
        neededCount = min(max(neededCount + change, Self.neededCounts.lowerBound), Self.neededCounts.upperBound)
    }

    /// The index behind the tokens that are most like the last ones; nil where too few are.
    private func place(in tokens: [TokenID]) -> Int? {
        var best: Int?
        var bestCount = neededCount - 1
        tokens.withUnsafeBufferPointer { tokens in
            let end = tokens.count
            for place in stride(from: end - 1, to: bestCount, by: -1) where tokens[place - 1] == tokens[end - 1] {
                var count = 1
                while count < min(place, Self.comparedCount), tokens[place - 1 - count] == tokens[end - 1 - count] { count += 1 }
                guard count > bestCount else { continue }
                (best, bestCount) = (place, count)
                if count == Self.comparedCount { return }
            }
        }
        return best
    }
}
