import Platform

/// The logits of one position, measured in double precision.
struct LogitRow {
    private let logits: UnsafeBufferPointer<Float>
    /// The token of the highest logit; the first of several.
    let top: Int
    /// log of the sum of exp of all logits. Not finite where one is not.
    let logSum: Double

    init(_ logits: UnsafeBufferPointer<Float>) {
        self.logits = logits
        var top = 0
        for index in logits.indices where logits[index] > logits[top] || logits[top].isNaN { top = index }
        let largest = Double(logits[top])
        var sum = 0.0
        for logit in logits { sum += exp(Double(logit) - largest) }
        self.top = top
        logSum = largest + log(sum)
    }

    /// Negative log-likelihood of a token, in nats.
    func loss(of token: Int) -> Double { logSum - Double(logits[token]) }

    /// Kullback-Leibler divergence from this distribution to `other`, in nats: what it costs to take `other` for it.
    func divergence(to other: LogitRow) -> Double {
        var sum = 0.0
        for index in logits.indices {
            let own = Double(logits[index]) - logSum
            let probability = exp(own)
            if probability == 0 { continue }
            sum += probability * (own - (Double(other.logits[index]) - other.logSum))
        }
        // Of equal distributions rounding may leave a little less than nothing.
        return max(0, sum)
    }
}
