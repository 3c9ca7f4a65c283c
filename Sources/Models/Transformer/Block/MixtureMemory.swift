package import Architectures

/// Memory for the mixtures of a model, one layer after another: rows of one expert at a time.
///
///     N  positions      C  width      I  the widest expert, shared ones included      E  experts
package struct MixtureMemory {
    package typealias Pointer = UnsafeMutablePointer<Float>

    /// [N, E]
    package let scores: Pointer
    /// [N, C]: what an expert is given.
    package let input: Pointer
    /// [N, 2 I]: gate and up of each row beside each other where one matrix makes both, else all of gate before all of up.
    package let gateUp: Pointer
    /// [N, I]
    package let inner: Pointer
    /// [N, C]: what an expert gives.
    package let output: Pointer

    /// Floats of each part.
    package static func counts(_ size: MixtureSize, positions n: Int) -> [Int] {
        size.expertCount == 0
            ? [0, 0, 0, 0, 0] : [n * size.expertCount, n * size.width, 2 * n * size.innerWidth, n * size.innerWidth, n * size.width]
    }

    /// - Parameter parts: memory for as many floats as `counts`.
    package init(_ parts: [Pointer]) {
        precondition(parts.count == 5, "a mixture has five buffers, not \(parts.count)")
        (scores, input, gateUp, inner, output) = (parts[0], parts[1], parts[2], parts[3], parts[4])
    }
}

/// What a mixture needs room for; zeros where there is none.
package struct MixtureSize: Sendable, Hashable {
    package let expertCount: Int
    package let width: Int
    package let innerWidth: Int

    private init(expertCount: Int, width: Int, innerWidth: Int) {
        self.expertCount = expertCount
        self.width = width
        self.innerWidth = innerWidth
    }

    package init(_ feedForward: FeedForward, width: Int) {
        let mixture = feedForward.mixture
        self.init(
            expertCount: mixture?.expertCount ?? 0, width: mixture == nil ? 0 : width,
            innerWidth: mixture.map { max(feedForward.innerWidth, $0.shared?.innerWidth ?? 0) } ?? 0)
    }

    /// Of a layer with room for this one and another.
    package func united(with other: MixtureSize) -> MixtureSize {
        MixtureSize(
            expertCount: max(expertCount, other.expertCount), width: max(width, other.width), innerWidth: max(innerWidth, other.innerWidth))
    }

    /// The largest of a model's layers.
    package init(_ model: ModelDescription) {
        self = model.layers.reduce(Self(expertCount: 0, width: 0, innerWidth: 0)) {
            $0.united(with: Self($1.feedForward, width: model.width))
        }
    }
}
