import Architectures
package import Tokenization
package import Transformer

/// Guesses what a small model would write, whose tokens are those of the model that decides.
///
/// It chooses by the same draws: where both give tokens like probabilities, they choose the same one also when they do not take the most
/// probable.
package struct ModelDraft: TokenDraft {
    private let session: InferenceSession
    /// Of the model that decides.
    private let vocabularySize: Int
    /// The tokens whose keys and values the session's cache holds.
    private var cached: [TokenID] = []
    private var length = DraftLength()

    /// - Parameters:
    ///   - session: for the draft alone; texts longer than its context are not guessed on.
    ///   - vocabularySize: of the model that decides.
    package init(_ session: InferenceSession, vocabularySize: Int) {
        self.session = session
        self.vocabularySize = vocabularySize
    }

    package mutating func read(_ prompt: [TokenID], isInterrupted: () -> Bool) throws {
        // The last token is read when it is gone on from.
        guard prompt.count > 1, knows(prompt[...]), prompt.count <= session.cache.capacity else { return }
        _ = try append(Array(prompt.dropLast()), isInterrupted: isInterrupted)
    }

    package mutating func guesses(after tokens: [TokenID], limit: Int, sampler: Sampler) throws -> [TokenID] {
        let count = min(limit, length.count, session.cache.capacity + 1 - tokens.count)
        guard count > 0, knows(tokens[...]), let first = try append(tokens, isInterrupted: { false }) else { return [] }
        var logits = first, guesses: [TokenID] = [], sampler = sampler
        while true {
            let history = sampler.settings.repeatPenalty == 1 ? [] : cached
            let guess: TokenID
            do { guess = try sampler.next(logits, history: history) } catch {
                let explained = session.explained(error)
                throw ModelError("the draft: \(explained.message)", hint: explained.hint)
            }
            guard guess < vocabularySize else { return guesses }
            guesses.append(guess)
            guard guesses.count < count else { return guesses }
            logits = try session.append([guess])
            cached.append(guess)
        }
    }

    package mutating func learn(guessed: Int, right: Int) { length.learn(guessed: guessed, right: right) }

    private func knows(_ tokens: ArraySlice<TokenID>) -> Bool {
        let size = session.configuration.vocabularySize
        return tokens.allSatisfy { $0 < size }
    }

    /// Reads what of the tokens is not in the cache, at least the last one, and gives the logits after it; nil where it was interrupted.
    private mutating func append(_ tokens: [TokenID], isInterrupted: () -> Bool) throws -> [Float]? {
        let shared = min(zip(tokens, cached).prefix { $0 == $1 }.count, tokens.count - 1)
        session.truncate(to: shared)
        cached.removeSubrange(shared...)
        let logits = try session.append(Array(tokens[shared...]), isInterrupted: isInterrupted)
        cached = Array(tokens.prefix(session.count))
        return logits
    }
}
