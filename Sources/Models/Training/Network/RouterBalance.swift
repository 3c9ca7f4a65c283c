import Architectures
import Platform
import Transformer

/// The loss that keeps experts equally busy, of all layers with experts and all positions of a batch together, as transformers'
/// `load_balancing_loss_func` has it.
///
///     f_e  how often e is asked, over n        P_e  mean probability of e, softmax over all scores        n  layers * positions
///
///     loss = E sum(f_e P_e)        dz_j = E / n p_j (f_j - sum(f_e p_e))        of the scores z of a position
final class RouterBalance {
    /// What the loss is multiplied by before it is added to that of the text.
    private let weight: Double
    /// Of each expert, over all layers so far.
    private var askedCounts: [Double] = []
    private var probabilitySums: [Double] = []
    private var rowCount = 0
    /// Whether scores are those of the way forward; a way back makes the same ones once more.
    var isObserving = true

    init(weight: Double) { self.weight = weight }

    /// Of nothing it is 0.
    var loss: Double {
        guard rowCount > 0 else { return 0 }
        let sum = zip(askedCounts, probabilitySums).reduce(0) { $0 + $1.0 * $1.1 }
        return Double(askedCounts.count) * sum / Double(rowCount) / Double(rowCount)
    }

    /// - Parameter scores: [positions, E] of one layer.
    func observe(_ scores: UnsafePointer<Float>, positions: Int, _ mixture: Mixture) {
        guard isObserving else { return }
        if askedCounts.isEmpty {
            askedCounts = Array(repeating: 0, count: mixture.expertCount)
            probabilitySums = askedCounts
        }
        precondition(askedCounts.count == mixture.expertCount, "layers have equally many experts")
        var choice = Routing.Choice(mixture)
        for position in 0..<positions {
            let row = scores + position * mixture.expertCount
            choice.choose(row)
            for expert in choice.experts { askedCounts[expert] += 1 }
            for (expert, probability) in choice.probabilities(row).enumerated() { probabilitySums[expert] += Double(probability) }
        }
        rowCount += positions
    }

    /// Adds the gradient of the weighted loss to that of a layer's scores.
    ///
    /// - Parameters:
    ///   - scores: [positions, E], as they were observed.
    ///   - gradients: [positions, E]
    func addGradient(_ scores: UnsafePointer<Float>, positions: Int, _ mixture: Mixture, to gradients: UnsafeMutablePointer<Float>) {
        let count = mixture.expertCount, shares = askedCounts.map { $0 / Double(rowCount) }
        let factor = weight * Double(count) / Double(rowCount)
        var choice = Routing.Choice(mixture)
        for position in 0..<positions {
            let row = scores + position * count
            choice.choose(row)
            let probabilities = choice.probabilities(row).map { Double($0) }
            let mean = zip(shares, probabilities).reduce(0) { $0 + $1.0 * $1.1 }
            for expert in 0..<count {
                gradients[position * count + expert] += Float(factor * probabilities[expert] * (shares[expert] - mean))
            }
        }
    }
}
