import Testing

@testable import Merging

/// What is tried, and what is taken, of deltas whose effect is a known function of what is aimed at.
@Suite struct FlipSearchTests {
    private static func run(_ survival: (Double, Double) -> Double) -> (best: FlipSearch.Trial, isLast: Bool, trials: [[Double]]) {
        var trials: [[Double]] = []
        let found = FlipSearch.run { mu, aim in
            trials.append([mu, aim])
            var sums = ActivationSums()
            sums.delta = 1
            sums.changeTimesDelta = survival(mu, aim)
            return sums
        }
        return (found.best, found.isLast, trials)
    }

    @Test func whatIsThereAtOnceIsTaken() {
        for survival in [0.95, 1, 1.2] {
            let found = Self.run { _, _ in survival }
            #expect(found.trials == [[10, 1]] && found.best.aim == 1 && found.isLast)
        }
    }

    @Test func whatIsMissingIsAimedAt() {
        let found = Self.run { _, aim in 0.8 * aim }
        #expect(found.trials == [[10, 1], [10, 1.25]] && found.best.aim == 1.25 && found.isLast)
        #expect((found.best.sums.survival - 1).magnitude < 1e-12)
    }

    /// What came out too much is taken back to where a line says.
    @Test func tooMuchIsTakenBack() {
        let found = Self.run { _, aim in 0.5 + 0.8 * (aim - 1) }
        #expect(found.trials == [[10, 1], [10, 2], [10, 1.625]] && found.best.aim == 1.625 && found.isLast)
        // Where steps are so coarse that the line is wrong, the nearest is taken, and was not tried last.
        let coarse = Self.run { _, aim in aim == 1 ? 0.7 : aim > 1.3 ? 1.1 : 0.7 }
        #expect(coarse.trials.count == 3 && coarse.best.aim == coarse.trials[1][1] && !coarse.isLast)
    }

    /// Where even twice the effect brings too little, it is wanted more.
    @Test func aDeltaThatNoStepIsWorthIsWantedMore() {
        let found = Self.run { mu, aim in mu == 10 ? 0.2 * aim : 0.7 * aim }
        #expect(found.trials == [[10, 1], [10, 2], [100, 1], [100, 1 / 0.7]] && found.best.mu == 100 && found.isLast)
        let none = Self.run { _, _ in 0 }
        #expect(none.trials == [[10, 1], [10, 2], [100, 1], [100, 2]] && none.best.aim == 1 && none.best.mu == 10 && !none.isLast)
    }
}
