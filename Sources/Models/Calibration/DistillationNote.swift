package import JSONText

/// What the lineage says of a distillation: what was tuned of a calibrated model, on what, and what that gained.
package struct DistillationNote: Sendable, Hashable {
    /// What was read of the windows that are not held out, until the parameters that were taken.
    package let tokenCount: Int
    /// Windows that decided, and gave the divergences.
    package let heldOutCount: Int
    /// Steps of the whole run; those after which the parameters were taken, 0 where none gained anything.
    package let stepCount: Int
    package let bestStep: Int
    /// The highest learning rates: of factors of constants, and of norms.
    package let rate: Double
    package let normRate: Double
    /// Means of the divergence from the unquantized model over the tokens held out, in nats, before and after; the latter with what readers
    /// of the file see.
    package let divergenceBefore: Double
    package let divergence: Double
    /// Weights whose constants were tuned.
    package let weightCount: Int
    /// Names of the dense tensors that were tuned.
    package let vectors: [String]

    package init(
        tokenCount: Int, heldOutCount: Int, stepCount: Int, bestStep: Int, rate: Double, normRate: Double, divergenceBefore: Double,
        divergence: Double, weightCount: Int, vectors: [String]
    ) {
        self.tokenCount = tokenCount
        self.heldOutCount = heldOutCount
        self.stepCount = stepCount
        self.bestStep = bestStep
        self.rate = rate
        self.normRate = normRate
        self.divergenceBefore = divergenceBefore
        self.divergence = divergence
        self.weightCount = weightCount
        self.vectors = vectors
    }

    /// What a lineage says; nil where it is no such thing.
    package init?(_ document: JSONValue) {
        guard let tokenCount = document["tokens"]?.integer, let heldOutCount = document["held_out"]?.integer,
            let stepCount = document["steps"]?.integer, let bestStep = document["taken_after_step"]?.integer,
            let rate = document["rate"]?.double, let normRate = document["norm_rate"]?.double,
            let before = document["divergence_before"]?.double, let divergence = document["divergence"]?.double,
            let weightCount = document["weights"]?.integer, let names = document["vectors"]?.array
        else { return nil }
        let vectors = names.compactMap(\.string)
        guard vectors.count == names.count else { return nil }
        self.init(
            tokenCount: tokenCount, heldOutCount: heldOutCount, stepCount: stepCount, bestStep: bestStep, rate: rate, normRate: normRate,
            divergenceBefore: before, divergence: divergence, weightCount: weightCount, vectors: vectors)
    }

    package var document: JSONValue {
        .object([
            "tokens": .integer(tokenCount), "held_out": .integer(heldOutCount), "steps": .integer(stepCount),
            "taken_after_step": .integer(bestStep), "rate": .double(rate), "norm_rate": .double(normRate),
            "divergence_before": .double(divergenceBefore), "divergence": .double(divergence), "weights": .integer(weightCount),
            "vectors": .strings(vectors),
        ])
    }
}
