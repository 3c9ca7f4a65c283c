import Architectures
import Tokenization
import Transformer

/// The sequence of a session as it grows token by token, some of which may have been run before they were chosen.
struct GuessedSequence {
    let session: InferenceSession
    /// The text so far, all of which was run.
    private(set) var tokens: [TokenID] = []
    /// Guesses that were run behind it, with the logits after each.
    private var ahead: ArraySlice<(token: TokenID, logits: [Float])> = []
    /// Of the pass that ran these.
    private var guessed = 0, right = 0

    /// Tokens of a pass: the next one and guesses. Sixteen rows are a panel of the products in integers.
    private static let passLength = 16

    init(session: InferenceSession) { self.session = session }

    /// Appends a token and gives the logits after it.
    ///
    /// - Parameters:
    ///   - limit: tokens after it that may have to be run, too.
    ///   - draft: is asked what follows the text where no guesses are left.
    ///   - sampler: as it chooses the next token.
    mutating func append(
        _ token: TokenID, limit: Int, _ draft: inout (any TokenDraft)?, _ sampler: Sampler, _ counts: inout GuessCounts
    ) throws -> [Float] {
        if let next = ahead.first, next.token == token {
            ahead.removeFirst()
            tokens.append(token)
            right += 1
            counts.right += 1
            if ahead.isEmpty { settle(&draft) }
            return next.logits
        }
        settle(&draft)
        let limit = min(limit, session.cache.capacity - session.count - 1), text = tokens + [token]
        let length = draft == nil || limit < 1 ? 1 : session.alikePassLength(atMost: min(Self.passLength, limit + 1))
        let guesses = length > 1 ? try draft?.guesses(after: text, limit: length - 1, sampler: sampler) ?? [] : []
        var rows: [[Float]] = []
        let width = session.configuration.vocabularySize
        try session.append([token] + guesses) { _, logits in
            for start in stride(from: 0, to: logits.count, by: width) { rows.append(Array(logits[start..<start + width])) }
        }
        tokens = text
        ahead = zip(guesses, rows.dropFirst()).map { ($0, $1) }[...]
        (guessed, right) = (guesses.count, 0)
        counts.guessed += guesses.count
        return rows[0]
    }

    /// Forgets guesses that are left, and tells the draft what came of the last ones.
    mutating func settle(_ draft: inout (any TokenDraft)?) {
        if session.count > tokens.count { session.truncate(to: tokens.count) }
        ahead = []
        if guessed > 0 { draft?.learn(guessed: guessed, right: right) }
        guessed = 0
    }

    /// Goes on with what a prompt has in common with the text, and runs the rest of it, at least the last token.
    ///
    /// - Parameter isInterrupted: asked before every layer.
    /// - Returns: the logits after it, or nil where it was interrupted, and how many tokens were run.
    mutating func read(_ prompt: [TokenID], isInterrupted: () -> Bool) throws -> (logits: [Float]?, runCount: Int) {
        let shared = max(0, min(zip(prompt, tokens).prefix { $0 == $1 }.count, prompt.count - 1))
        session.truncate(to: shared)
        tokens.removeSubrange(shared...)
        let rest = Array(prompt[shared...])
        let logits = try session.append(rest, isInterrupted: isInterrupted)
        let runCount = max(0, session.count - shared)
        tokens += rest.prefix(runCount)
        // A sequence that had to be read again may not have come as far as it was.
        tokens.removeSubrange(min(session.count, tokens.count)...)
        return (logits, runCount)
    }

    /// Forgets everything.
    mutating func reset() {
        session.reset()
        tokens = []
        ahead = []
        guessed = 0
    }
}

/// Tokens that a draft gave, and those among them that were chosen.
package struct GuessCounts: Sendable, Hashable {
    package var guessed = 0
    package var right = 0

    package init() {}
}
