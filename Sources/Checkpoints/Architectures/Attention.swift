import Platform
import TensorCore

/// Attention of every position to itself and to those before it.
///
///     score(q, k) = cap(scale * t * turn(clip(norm(q))) . turn(clip(norm(k))) + bias)
///
/// with norms, clipping, turning, a temperature t of the query's position, a bias of the key's, and a cap, each where there is one.
package struct Attention: Sendable, Hashable {
    package enum Projections: Sendable, Hashable {
        /// A matrix each for queries, keys and values.
        case separate
        /// One matrix, whose output is query, key and value beside each other.
        case fused
        /// One matrix, whose output is, for each key/value head, its queries, its key and its value: (H / K + 2) D of each.
        case grouped
    }

    /// Which elements a norm of queries and keys takes together, and which of them have a weight of their own.
    package enum HeadNormScope: Sendable, Hashable {
        /// Each head by itself, with weights [D].
        case head
        /// Each head by itself, with weights [H, D] and [K, D].
        case headsApart
        /// The same, but stored as [D] of each head by itself.
        case headsInParts
        /// All heads together, with weights [H D] and [K D].
        case allHeads
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
    /// c, where a query sees the keys of its own chunk alone: those from position p - p % c on (Llama 4); nil for no chunks.
    package let chunk: Int?
    /// Nil where nothing is rotated.
    package let rotary: RotaryEmbedding?
    /// Of queries and keys before they are rotated; nil for none.
    package let headNorm: Norm?
    package let headNormScope: HeadNormScope
    /// c, where elements of queries, keys and values beyond c or -c become that; after norms.
    package let clip: Float?
    /// Nil for none.
    package let positionBias: PositionBias?
    package let temperature: QueryTemperature?
    /// Biases are what config.json says until the stored tensors are known.
    package var hasInputBias: Bool
    package var hasOutputBias: Bool
    /// Whether each head has one more score in the denominator of its softmax, of no position and without a value (gpt-oss).
    package let hasSinks: Bool

    package init(
        _ projections: Projections, headCount: Int, keyValueHeadCount: Int, headWidth: Int, scale: Float? = nil, scoreCap: Float? = nil,
        window: Int? = nil, chunk: Int? = nil, rotary: RotaryEmbedding? = nil, headNorm: Norm? = nil, headNormScope: HeadNormScope = .head,
        clip: Float? = nil, positionBias: PositionBias? = nil, temperature: QueryTemperature? = nil, hasInputBias: Bool = false,
        hasOutputBias: Bool = false, hasSinks: Bool = false
    ) {
        precondition(projections == .separate || headNorm == nil && clip == nil, "no family has both")
        precondition(positionBias == nil || scoreCap == nil, "no family has both")
        precondition(window == nil || chunk == nil, "no family has both")
        self.projections = projections
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headWidth = headWidth
        self.scale = scale ?? 1 / Float(headWidth).squareRoot()
        self.scoreCap = scoreCap
        self.window = window
        self.chunk = chunk
        self.rotary = rotary
        self.headNorm = headNorm
        self.headNormScope = headNormScope
        self.clip = clip
        self.positionBias = positionBias
        self.temperature = temperature
        self.hasInputBias = hasInputBias
        self.hasOutputBias = hasOutputBias
        self.hasSinks = hasSinks
    }

    /// Keys that any query sees at most, itself included; nil for all.
    package var reach: Int? { window ?? chunk }
    /// H * D, the width of all queries together.
    package var queryWidth: Int { headCount * headWidth }
    /// K * D, the width of all keys, and of all values.
    package var keyValueWidth: Int { keyValueHeadCount * headWidth }
    package var isFused: Bool { projections != .separate }
}

/// A bias of scores that grows with the position of the key, by a slope of each head (ALiBi).
package struct PositionBias: Sendable, Hashable {
    /// H of them.
    package let slopes: [Float]
    /// Whether slope * position is rounded to BF16, and what it is multiplied by then (Falcon).
    package let isRounded: Bool
    package let factor: Float

    /// Slopes of a geometric series; where H is no power of two, those of the one below and every second of the one above.
    package init(headCount: Int, isRounded: Bool = false, factor: Float = 1) {
        var power = 1
        while 2 * power <= headCount { power *= 2 }
        let first = (1...power).map { Self.slope(8 * $0, power) }
        let rest = (0..<headCount - power).map { Self.slope(8 * $0 + 4, power) }
        slopes = (first + rest).map { isRounded ? FloatConversion.rounded($0, to: .bf16) : $0 }
        self.isRounded = isRounded
        self.factor = factor
    }

    /// 2^(-eighths / power).
    private static func slope(_ eighths: Int, _ power: Int) -> Float { Float(exp2(-Double(eighths) / Double(power))) }
}

/// Queries times 1 + weight * ln(1 + floor((position + offset) / interval)): attention stays sharp over long contexts.
package struct QueryTemperature: Sendable, Hashable {
    package let weight: Double
    package let interval: Double
    package let offset: Int

    package init(weight: Double, interval: Double, offset: Int = 0) {
        self.weight = weight
        self.interval = interval
        self.offset = offset
    }

    package func factor(at position: Int) -> Float {
        Float(1 + weight * log1p((Double(position + offset) / interval).rounded(.down)))
    }
}
