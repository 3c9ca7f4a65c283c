/// Tokens of one record, and which of them are to be learned.
package struct Sample: Sendable, Equatable {
    /// Ids in order, with the end token where one follows.
    package let tokens: [Int32]
    /// Of each token whether predicting it counts; the first token is never predicted.
    package let isLearned: [Bool]

    package init(tokens: [Int32], isLearned: [Bool]) {
        precondition(tokens.count == isLearned.count, "every token is learned or not")
        self.tokens = tokens
        self.isLearned = isLearned
    }

    /// Predictions that count.
    package var learnedCount: Int { isLearned.dropFirst().reduce(0) { $0 + ($1 ? 1 : 0) } }

    /// The first `count` tokens.
    package func prefix(_ count: Int) -> Sample {
        Sample(tokens: Array(tokens.prefix(count)), isLearned: Array(isLearned.prefix(count)))
    }
}
