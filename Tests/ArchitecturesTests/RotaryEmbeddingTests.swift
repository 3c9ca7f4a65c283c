import Architectures
import Glibc
import Testing

@Suite struct RotaryEmbeddingTests {
    @Test func frequenciesAreAGeometricSeries() {
        #expect(RotaryEmbedding(theta: 10_000).frequencies(headWidth: 4) == [1, 0.01])
        #expect(RotaryEmbedding(theta: 10_000, scaling: .linear(factor: 4)).frequencies(headWidth: 4) == [0.25, 0.0025])
    }

    /// Short waves stay, long ones are slowed down by the factor, those between lie between.
    @Test func llama3SlowsLongWaves() {
        let plain = RotaryEmbedding(theta: 500_000).frequencies(headWidth: 128)
        let scaled = RotaryEmbedding(
            theta: 500_000,
            scaling: .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192)
        ).frequencies(headWidth: 128)
        for (before, after) in zip(plain, scaled) {
            let wavelength = 2 * Double.pi / before
            if wavelength < 2048 {
                #expect(after == before)
            } else if wavelength > 8192 {
                #expect(after == before / 8)
            } else {
                #expect(after < before && after > before / 8)
            }
        }
        #expect(Set(zip(plain, scaled).map { $0 == $1 }).count == 2)
    }

    @Test func tablesHoldCosinesAndSines() {
        let (cosines, sines) = RotaryEmbedding(theta: 100).tables(positions: 3..<5, headWidth: 4)
        #expect(cosines == [3, 0.3, 4, 0.4].map { Float(cos($0)) })
        #expect(sines == [Float(sin(3.0)), Float(sin(3.0 * 0.1)), Float(sin(4.0)), Float(sin(4.0 * 0.1))])
    }
}
