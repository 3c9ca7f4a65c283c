import Platform

/// How surprised a model is by a text: exp of the mean loss of its tokens.
package struct Perplexity: Hashable, Sendable {
    /// Negative log-likelihoods of the tokens, in nats.
    package private(set) var loss = SampleMean()

    package init() {}

    mutating func add(loss value: Double) { loss.add(value) }

    /// Tokens that were predicted.
    package var tokenCount: Int { loss.count }
    package var value: Double { exp(loss.mean) }
    /// First order: the perplexity times the standard error of the mean loss.
    package var standardError: Double { value * loss.standardError }
}
