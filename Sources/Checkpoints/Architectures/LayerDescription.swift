/// What one layer computes on its residual stream x:
///
///     x += after(attention(before(x)))        x += after(feedForward(before(x)))
///
/// `before` are norms; `after` are norms where there are any, else nothing.
package struct LayerDescription: Sendable, Hashable {
    package enum NormPlacement: Sendable, Hashable {
        case before
        /// Of what a branch gives, too, before it is added (Gemma 2).
        case around
    }

    package let norm: Norm
    package let normPlacement: NormPlacement
    package var attention: Attention
    package var feedForward: FeedForward

    package init(norm: Norm, normPlacement: NormPlacement = .before, attention: Attention, feedForward: FeedForward) {
        self.norm = norm
        self.normPlacement = normPlacement
        self.attention = attention
        self.feedForward = feedForward
    }
}

/// Attention of every position to itself and to those before it.
///
///     score(q, k) = cap(scale * rotate(norm(q)) . rotate(norm(k)))
package struct Attention: Sendable, Hashable {
    package enum Projections: Sendable, Hashable {
        /// A matrix each for queries, keys and values.
        case separate
        /// One matrix, whose output is query, key and value beside each other.
        case fused
    }

    package let projections: Projections
    /// H.
    package let headCount: Int
    /// K; H is a multiple of it.
    package let keyValueHeadCount: Int
    /// D; not always C / H.
    package let headWidth: Int
    /// What scores are multiplied by before the softmax.
    package let scale: Float
    /// c, where scores s become c tanh(s / c) after the factor.
    package let scoreCap: Float?
    /// Keys that a query sees at most, itself included; nil for all.
    package let window: Int?
    /// Nil where nothing is rotated.
    package let rotary: RotaryEmbedding?
    /// Of each head's query and key before they are rotated, with weights [D]; nil for none.
    package let headNorm: Norm?
    /// Biases are what config.json says until the stored tensors are known.
    package var hasInputBias: Bool
    package var hasOutputBias: Bool

    package init(
        _ projections: Projections, headCount: Int, keyValueHeadCount: Int, headWidth: Int, scale: Float? = nil, scoreCap: Float? = nil,
        window: Int? = nil, rotary: RotaryEmbedding? = nil, headNorm: Norm? = nil, hasInputBias: Bool = false, hasOutputBias: Bool = false
    ) {
        self.projections = projections
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headWidth = headWidth
        self.scale = scale ?? 1 / Float(headWidth).squareRoot()
        self.scoreCap = scoreCap
        self.window = window
        self.rotary = rotary
        self.headNorm = headNorm
        self.hasInputBias = hasInputBias
        self.hasOutputBias = hasOutputBias
    }

    /// H * D, the width of all queries together.
    package var queryWidth: Int { headCount * headWidth }
    /// K * D, the width of all keys, and of all values.
    package var keyValueWidth: Int { keyValueHeadCount * headWidth }
}

/// The part of a layer that looks at each position alone.
package struct FeedForward: Sendable, Hashable {
    package enum Form: Sendable, Hashable {
        /// down(activation(gate(x)) * up(x))
        case gated
        /// down(activation(up(x)))
        case plain
    }

    package let form: Form
    package let activation: Activation
    /// I.
    package let innerWidth: Int
    package var hasBias: Bool

    package init(_ form: Form, _ activation: Activation, innerWidth: Int, hasBias: Bool = false) {
        self.form = form
        self.activation = activation
        self.innerWidth = innerWidth
        self.hasBias = hasBias
    }
}
