package import Tokenization
package import Transformer

/// Guesses how a text goes on.
///
/// What is guessed is run together with the next token, which costs little more than that token alone, and taken as far as the model
/// itself would have chosen it: the text is the same as without, whatever is guessed.
package protocol TokenDraft {
    /// Reads a prompt while the model does.
    ///
    /// - Parameter isInterrupted: asked now and then; what was not read then is read when it is needed.
    mutating func read(_ prompt: [TokenID], isInterrupted: () -> Bool) throws

    /// At most `limit` tokens that may follow; none where there is nothing to guess by.
    ///
    /// - Parameters:
    ///   - tokens: the text so far, not empty.
    ///   - sampler: will choose what follows, by the draws that this copy of it has before it as well.
    mutating func guesses(after tokens: [TokenID], limit: Int, sampler: Sampler) throws -> [TokenID]

    /// Is told how many of the last guesses were right, which were not none.
    mutating func learn(guessed: Int, right: Int)
}

/// How many tokens are worth guessing at once: twice as many after guesses that were all right, else as many as were.
struct DraftLength {
    private(set) var count = 4

    mutating func learn(guessed: Int, right: Int) {
        count = right == guessed ? min(32, max(count, 2 * guessed)) : max(1, right)
    }
}
