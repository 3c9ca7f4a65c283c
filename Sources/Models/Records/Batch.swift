/// Samples laid end to end on one axis of positions; each attends only to itself and has its own positions from 0.
///
///     tokens    a0 a1 a2 | b0 b1 b2 b3          starts 0, 3, 7
///     targets   a1 a2 -  | b1 b2 b3 -           - where nothing is predicted, or what is predicted does not count
///
/// The loss is that of a batch padded to its longest sample with the padding masked: a position sees none after it, so
/// padding behind a sample changes nothing. Leaving it out saves its work.
package struct Batch: Equatable, Sendable {
    /// Of targets that do not count.
    package static let ignored: Int32 = -100

    /// Ids of all samples, one after another.
    package private(set) var tokens: [Int32] = []
    /// What follows each token, or `ignored`.
    package private(set) var targets: [Int32] = []
    /// Where each sample begins, and where the last one ends.
    package private(set) var starts: [Int] = [0]

    package init(_ samples: some Sequence<Sample>) {
        for sample in samples where sample.tokens.count > 1 {
            // The last token predicts nothing.
            tokens += sample.tokens.dropLast()
            for index in 1..<sample.tokens.count { targets.append(sample.isLearned[index] ? sample.tokens[index] : Self.ignored) }
            starts.append(tokens.count)
        }
    }

    package var positionCount: Int { tokens.count }

    /// Predictions that count.
    package var learnedCount: Int { targets.reduce(0) { $0 + ($1 == Self.ignored ? 0 : 1) } }

    package var longestSampleCount: Int { zip(starts, starts.dropFirst()).reduce(0) { max($0, $1.1 - $1.0) } }
}
