/// How the next token is chosen from the logits.
///
/// Applied in this order, as in transformers: repeat penalty, temperature, top k, top p, min p; each works on what the one
/// before it has left.
package struct SamplingSettings: Sendable, Hashable {
    /// Logits are divided by it; 0 takes the most probable token, whatever the others say.
    package var temperature: Float
    /// Only the `topK` most probable tokens; nil for all.
    package var topK: Int?
    /// Only the most probable tokens that together reach this probability; 1 for all.
    package var topP: Float
    /// Only tokens at least this probable in proportion to the most probable one; 0 for all.
    package var minP: Float
    /// Positive logits of tokens that occurred are divided by it, negative ones multiplied; 1 for none.
    package var repeatPenalty: Float
    package var seed: UInt64

    package init(
        temperature: Float = 0, topK: Int? = nil, topP: Float = 1, minP: Float = 0, repeatPenalty: Float = 1, seed: UInt64 = 0
    ) {
        precondition(temperature >= 0 && repeatPenalty > 0 && (0...1).contains(minP) && topP > 0 && topP <= 1, "settings are in range")
        precondition(topK ?? 1 > 0, "top k keeps a token")
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.repeatPenalty = repeatPenalty
        self.seed = seed
    }
}
