/// How much of its own effect a delta is to have on the inputs of the moments, so that all of it is there on others.
///
/// Flips are chosen among many for what they do on the inputs of the moments. On others they do less, the less the fewer tokens the moments
/// are of, and single steps are coarse for a small delta. What is missing on held-out inputs is aimed at beyond the effect, which costs
/// far less noise than wanting the effect more.
package struct FlipSearch: Sendable {
    /// A way to flip, and what came of it.
    package struct Trial: Sendable, Hashable {
        package let mu: Double
        package let aim: Double
        package let sums: ActivationSums

        /// From all of the effect.
        fileprivate var distance: Double { (sums.survival - 1).magnitude }
    }

    /// How much the effect is wanted against noise: the second where the first leaves too little whatever is aimed at.
    package static let strengths = [10.0, 100]
    /// Of the effect, what is near enough to all of it.
    package static let enough = 0.95...1.05
    package static let largestAim = 2.0
    /// What is left as it is rather than wanted more.
    package static let least = 0.9

    /// - Parameter flip: from the base on; returns what is there on held-out inputs.
    /// - Returns: what comes nearest to all of the effect, of equal ones the first, and whether it was tried last.
    static func run(_ flip: (_ mu: Double, _ aim: Double) throws -> ActivationSums) rethrows -> (best: Trial, isLast: Bool) {
        var trials: [Trial] = []
        func survival(_ mu: Double, _ aim: Double) throws -> Double {
            let trial = Trial(mu: mu, aim: aim, sums: try flip(mu, aim))
            trials.append(trial)
            return trial.sums.survival
        }
        for mu in strengths {
            let first = try survival(mu, 1)
            if first >= enough.lowerBound { break }
            let aim = first > 1 / largestAim ? 1 / first : largestAim
            let second = try survival(mu, aim)
            if second > enough.upperBound {
                // Between the two, where a line through them reaches all of it.
                _ = try survival(mu, 1 + (1 - first) * (aim - 1) / (second - first))
                break
            }
            if second >= least { break }
        }
        var best = trials[0]
        for trial in trials where trial.distance < best.distance { best = trial }
        return (best, best == trials[trials.count - 1])
    }
}
