import Platform

/// What was done to the frequencies of a rotation to reach beyond the context of pretraining.
package enum RotaryScaling: Sendable, Hashable {
    case none
    /// All positions are divided.
    case linear(factor: Double)
    /// The base grows with the length of the pass, once that is above `contextLength` (dynamic NTK).
    case dynamic(factor: Double, contextLength: Double)
    /// Llama 3.1: long waves are slowed down, short ones stay, those between are interpolated.
    case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContextLength: Double)
    case yarn(YarnScaling)
    case longrope(LongRopeScaling)
    /// The first int(share * D / 2) frequencies of whole heads turn, divided by a factor, the others stand still.
    case proportional(share: Double, factor: Double)
}

/// YaRN: waves that turn often within the context of pretraining stay, those that turn less than once are slowed down by a factor,
/// and those between are mixed by their number.
package struct YarnScaling: Sendable, Hashable {
    package let factor: Double
    package let originalContextLength: Double
    /// Turns within the context of pretraining above which a wave stays, and below which it is slowed down.
    package let fastTurns: Double
    package let slowTurns: Double
    /// Whether the numbers of the waves where the mixing begins and ends are rounded outwards.
    package let truncates: Bool
    package let magnitude: Double

    package init(
        factor: Double, originalContextLength: Double, fastTurns: Double = 32, slowTurns: Double = 1, truncates: Bool = true,
        magnitude: Double? = nil
    ) {
        self.factor = factor
        self.originalContextLength = originalContextLength
        self.fastTurns = fastTurns
        self.slowTurns = slowTurns
        self.truncates = truncates
        self.magnitude = magnitude ?? Self.magnitude(factor: factor, weight: 1)
    }

    /// 0.1 weight ln(factor) + 1.
    package static func magnitude(factor: Double, weight: Double) -> Double { factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1 }

    /// The weight w, by which a magnitude is (0.1 ln(factor) + 1) / (0.1 w ln(factor) + 1): `mscale_all_dim` beside an `mscale` of 1.
    var allDimensionsWeight: Double {
        guard factor > 1 else { return 0 }
        return (Self.magnitude(factor: factor, weight: 1) / magnitude - 1) / (0.1 * log(factor))
    }

    /// - Parameter plain: the R / 2 frequencies of the series with this base.
    func scaled(_ plain: [Double], theta: Double) -> [Double] {
        let width = Double(2 * plain.count)
        /// The number of the wave that turns so often, as a real number.
        func wave(turning turns: Double) -> Double { width * log(originalContextLength / (turns * 2 * .pi)) / (2 * log(theta)) }
        var (low, high) = (wave(turning: fastTurns), wave(turning: slowTurns))
        if truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
        (low, high) = (max(low, 0), min(high, width - 1))
        if low == high { high += 0.001 }
        return plain.enumerated().map { number, frequency in
            let slowed = min(max((Double(number) - low) / (high - low), 0), 1)
            return frequency / factor * slowed + frequency * (1 - slowed)
        }
    }
}

/// LongRoPE, first called su: each frequency is divided by a factor of its own, another one in passes that are longer than the
/// context of pretraining.
package struct LongRopeScaling: Sendable, Hashable {
    /// R / 2 each.
    package let shortFactors: [Double]
    package let longFactors: [Double]
    package let originalContextLength: Double
    package let magnitude: Double

    package init(shortFactors: [Double], longFactors: [Double], originalContextLength: Double, magnitude: Double) {
        self.shortFactors = shortFactors
        self.longFactors = longFactors
        self.originalContextLength = originalContextLength
        self.magnitude = magnitude
    }

    /// sqrt(1 + ln(factor) / ln(original)).
    package static func magnitude(factor: Double, originalContextLength: Double) -> Double {
        factor <= 1 ? 1 : (1 + log(factor) / log(originalContextLength)).squareRoot()
    }
}
