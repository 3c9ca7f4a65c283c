import Glibc

/// Rotary position embedding: how fast each pair of a head's elements turns with the position.
///
/// Pairs are (i, i + D/2), "rotate half". Element i of a head turns by `position * frequency(i)`.
package struct RotaryEmbedding: Sendable, Hashable {
    /// What was done to the frequencies to reach beyond the context of pretraining.
    package enum Scaling: Sendable, Hashable {
        case none
        /// All positions are divided.
        case linear(factor: Double)
        /// Llama 3.1: long waves are slowed down, short ones stay, those between are interpolated.
        case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContextLength: Double)
    }

    /// Base of the geometric series of frequencies.
    package let theta: Double
    package let scaling: Scaling

    package init(theta: Double, scaling: Scaling = .none) {
        self.theta = theta
        self.scaling = scaling
    }

    /// Radians a position for each of the `headWidth / 2` pairs.
    package func frequencies(headWidth: Int) -> [Double] {
        (0..<headWidth / 2).map { pair in
            scaled(pow(theta, -Double(2 * pair) / Double(headWidth)))
        }
    }

    /// Cosines and sines of the positions `range`: two tables [range.count, headWidth / 2].
    ///
    /// Angles are taken in double precision: in float, position 100,000 would be off by 0.004 radians.
    package func tables(positions range: Range<Int>, headWidth: Int) -> (cosines: [Float], sines: [Float]) {
        let frequencies = frequencies(headWidth: headWidth)
        var cosines: [Float] = []
        var sines: [Float] = []
        cosines.reserveCapacity(range.count * frequencies.count)
        sines.reserveCapacity(range.count * frequencies.count)
        for position in range {
            for frequency in frequencies {
                let angle = Double(position) * frequency
                cosines.append(Float(cos(angle)))
                sines.append(Float(sin(angle)))
            }
        }
        return (cosines, sines)
    }

    private func scaled(_ frequency: Double) -> Double {
        switch scaling {
        case .none: return frequency
        case .linear(let factor): return frequency / factor
        case .llama3(let factor, let low, let high, let original):
            let wavelength = 2 * Double.pi / frequency
            if wavelength > original / low { return frequency / factor }
            if wavelength < original / high { return frequency }
            let share = (original / wavelength - low) / (high - low)
            return (1 - share) * frequency / factor + share * frequency
        }
    }
}
