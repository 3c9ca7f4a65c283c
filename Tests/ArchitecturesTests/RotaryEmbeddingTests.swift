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

    @Test func turnsByPositionTimesFrequency() {
        let rotary = RotaryEmbedding(theta: 100)
        let (cosines, sines) = rotary.turn(to: 4, rotary.frequencies(headWidth: 4))
        #expect(cosines == [4, 0.4].map { Float(cos($0)) } && sines == [4, 0.4].map { Float(sin($0)) })
    }

    /// A quarter of the head, as if the head were so wide.
    @Test func partsOfHeadsHaveTheirOwnSeries() {
        let rotary = RotaryEmbedding(theta: 10_000, width: 4)
        #expect(rotary.frequencies(headWidth: 16) == [1, 0.01])
    }

    /// Within the context nothing changes; beyond it the base grows with every position.
    @Test func dynamicDependsOnTheLength() {
        let rotary = RotaryEmbedding(theta: 10_000, scaling: .dynamic(factor: 2, contextLength: 12))
        #expect(rotary.frequencies(headWidth: 8, length: 12) == RotaryEmbedding(theta: 10_000).frequencies(headWidth: 8))
        // (2 * 18 / 12 - 1)^(8 / 6) = 2^(4/3)
        let grown = RotaryEmbedding(theta: 10_000 * pow(2, 4.0 / 3)).frequencies(headWidth: 8)
        #expect(zip(rotary.frequencies(headWidth: 8, length: 18), grown).allSatisfy { abs($0 / $1 - 1) < 1e-14 })
        #expect(rotary.stage(ofLength: 3) == rotary.stage(ofLength: 12) && rotary.stage(ofLength: 13) != rotary.stage(ofLength: 14))
    }

    @Test func longropeSwitchesBeyondTheOriginalContext() {
        let settings = LongRopeScaling(
            shortFactors: [1, 2], longFactors: [3, 4], originalContextLength: 16,
            magnitude: LongRopeScaling.magnitude(factor: 8, originalContextLength: 16))
        let rotary = RotaryEmbedding(theta: 10_000, scaling: .longrope(settings))
        #expect(
            rotary.frequencies(headWidth: 4, length: 16) == [1, 0.005] && rotary.frequencies(headWidth: 4, length: 17) == [1.0 / 3, 0.0025])
        #expect(rotary.stage(ofLength: 16) == 0 && rotary.stage(ofLength: 17) == 1)
        #expect(abs(rotary.magnitude - (1 + log(8.0) / log(16.0)).squareRoot()) < 1e-15)
    }

    /// Of 64 waves those that turn more than 32 times within 4096 positions stay, those that turn less than once are four times as slow.
    @Test func yarnKeepsShortWaves() {
        let plain = RotaryEmbedding(theta: 10_000).frequencies(headWidth: 128)
        let settings = YarnScaling(factor: 4, originalContextLength: 4096)
        let scaled = RotaryEmbedding(theta: 10_000, scaling: .yarn(settings)).frequencies(headWidth: 128)
        // 128 ln(4096 / (32 * 2 pi)) / (2 ln 10000) = 20.9, and 45.03 for one turn.
        #expect(Array(scaled[...20]) == Array(plain[...20]) && scaled[21] < plain[21])
        #expect(zip(scaled[46...], plain[46...]).allSatisfy { $0 == $1 / 4 } && scaled[45] > plain[45] / 4)
        #expect(abs(settings.magnitude - (1 + 0.1 * log(4.0))) < 1e-15)
    }

    @Test func proportionalTurnsTheFirstFrequenciesOfWholeHeads() {
        let rotary = RotaryEmbedding(theta: 10_000, scaling: .proportional(share: 0.5, factor: 2))
        #expect(rotary.frequencies(headWidth: 8) == [0.5, 0.05, 0, 0])
    }
}
