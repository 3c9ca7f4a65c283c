import Platform

/// Rotary position embedding: how fast pairs of a head's elements turn with the position.
///
/// Pair i turns by `position * frequency(i)`, and cosines and sines are multiplied by a factor. What is turned are the first
/// elements of a head, the rest of it stays.
package struct RotaryEmbedding: Sendable, Hashable {
    /// Which elements of the R that turn are pairs.
    package enum Pairing: Sendable, Hashable {
        /// (i, i + R/2), "rotate half".
        case halves
        /// (2i, 2i + 1), as GPT-J had them first.
        case neighbours
    }

    /// Base of the geometric series of frequencies.
    package let theta: Double
    package let scaling: RotaryScaling
    /// R, an even number; nil for whole heads.
    package let width: Int?
    package let pairing: Pairing

    package init(theta: Double, scaling: RotaryScaling = .none, width: Int? = nil, pairing: Pairing = .halves) {
        self.theta = theta
        self.scaling = scaling
        self.width = width
        self.pairing = pairing
    }

    /// R of heads of such a width.
    package func turnedWidth(headWidth: Int) -> Int { width ?? headWidth }

    /// Which frequencies a pass over so many positions has: two lengths of one stage have the same.
    ///
    /// What a cache holds of an earlier stage is turned by other angles.
    package func stage(ofLength length: Int) -> Int {
        switch scaling {
        case .dynamic(_, let contextLength): max(length, Int(contextLength))
        case .longrope(let settings): Double(length) > settings.originalContextLength ? 1 : 0
        case .none, .linear, .llama3, .yarn, .proportional: 0
        }
    }

    /// Whether the frequencies depend on the length of a pass.
    package var hasStages: Bool {
        switch scaling {
        case .dynamic, .longrope: true
        case .none, .linear, .llama3, .yarn, .proportional: false
        }
    }

    /// What cosines and sines are multiplied by; scores of keys and queries change by its square.
    package var magnitude: Double {
        switch scaling {
        case .yarn(let settings): settings.magnitude
        case .longrope(let settings): settings.magnitude
        case .none, .linear, .llama3, .dynamic, .proportional: 1
        }
    }

    /// Radians a position for each of the R / 2 pairs.
    ///
    /// - Parameter length: positions of the pass, from the first of the sequence on.
    package func frequencies(headWidth: Int, length: Int = 1) -> [Double] {
        let width = turnedWidth(headWidth: headWidth)
        func series(_ theta: Double) -> [Double] { (0..<width / 2).map { pow(theta, -Double(2 * $0) / Double(width)) } }
        let plain = series(theta)
        switch scaling {
        case .none: return plain
        case .linear(let factor): return plain.map { $0 / factor }
        case .dynamic(let factor, let contextLength):
            // With two elements there is one frequency, 1, whatever the base.
            guard width > 2 else { return plain }
            let stretch = factor * max(Double(length), contextLength) / contextLength - (factor - 1)
            return series(theta * pow(stretch, Double(width) / Double(width - 2)))
        case .llama3(let factor, let low, let high, let original):
            return plain.map { Self.llama3($0, factor: factor, low: low, high: high, original: original) }
        case .yarn(let settings): return settings.scaled(plain, theta: theta)
        case .longrope(let settings):
            return zip(plain, stage(ofLength: length) == 1 ? settings.longFactors : settings.shortFactors).map { $0 / $1 }
        case .proportional(let share, let factor):
            let count = Int(share * Double(width) / 2)
            return plain.enumerated().map { $0 < count ? $1 / factor : 0 }
        }
    }

    /// Cosines and sines of a position times `magnitude`, one a frequency.
    ///
    /// Angles are taken in double precision: in float, position 100,000 would be off by 0.004 radians.
    package func turn(to position: Int, _ frequencies: [Double]) -> (cosines: [Float], sines: [Float]) {
        let angles = frequencies.map { Double(position) * $0 }, magnitude = magnitude
        return (angles.map { Float(cos($0) * magnitude) }, angles.map { Float(sin($0) * magnitude) })
    }

    private static func llama3(_ frequency: Double, factor: Double, low: Double, high: Double, original: Double) -> Double {
        let wavelength = 2 * Double.pi / frequency
        if wavelength > original / low { return frequency / factor }
        if wavelength < original / high { return frequency }
        let share = (original / wavelength - low) / (high - low)
        return (1 - share) * frequency / factor + share * frequency
    }
}
