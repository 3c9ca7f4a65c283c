import Platform
package import Tokenization

/// How far model B is from model A on a text.
package struct ComparisonReport: Sendable {
    /// A place of the text where the models differ.
    package struct Difference: Hashable, Sendable {
        /// The token that both were to predict, counted in the text's ids.
        package let position: Int
        /// In nats.
        package let divergence: Double
        package let lossA: Double
        package let lossB: Double
        /// What each holds for the most likely.
        package let topA: TokenID
        package let topB: TokenID
    }

    package internal(set) var a = Perplexity()
    package internal(set) var b = Perplexity()
    /// Loss of B less that of A, token by token.
    package internal(set) var lossIncrease = SampleMean()
    /// Kullback-Leibler divergence from A to B, in nats.
    package internal(set) var divergence = SampleMean()
    /// Tokens for which both hold the same token for the most likely.
    package internal(set) var sameTopCount = 0
    /// The largest divergences, the largest first.
    package internal(set) var largest: [Difference] = []
    /// All divergences in ascending order.
    package internal(set) var sortedDivergences: [Double] = []

    package var tokenCount: Int { divergence.count }
    package var sameTopShare: Double { Double(sameTopCount) / Double(max(1, tokenCount)) }
    /// Binomial.
    package var sameTopError: Double { (sameTopShare * (1 - sameTopShare) / Double(max(1, tokenCount))).squareRoot() }
    /// Perplexity of B over that of A.
    package var perplexityRatio: Double { exp(lossIncrease.mean) }
    /// From the differences token by token: what makes a text hard is hard for both, and cancels.
    package var perplexityRatioError: Double { perplexityRatio * lossIncrease.standardError }

    /// The divergence that `share` of the tokens do not exceed (nearest rank).
    package func divergence(atShare share: Double) -> Double {
        guard let largest = sortedDivergences.last else { return 0 }
        let rank = Int((share * Double(sortedDivergences.count)).rounded(.up)) - 1
        return sortedDivergences.indices.contains(rank) ? sortedDivergences[rank] : rank < 0 ? sortedDivergences[0] : largest
    }
}
