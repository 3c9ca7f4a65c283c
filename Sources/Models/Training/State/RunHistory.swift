/// What a run has measured so far.
package struct RunHistory: Equatable, Sendable {
    package struct Evaluation: Equatable, Sendable {
        /// Steps taken before it.
        package let step: Int
        package let loss: Double

        package init(step: Int, loss: Double) {
            self.step = step
            self.loss = loss
        }
    }

    /// Of each step, in order.
    package var losses: [Double] = []
    /// On the validation split.
    package var evaluations: [Evaluation] = []

    package init() {}

    /// The first of the evaluations with the lowest loss.
    package var best: Evaluation? { evaluations.min { $0.loss < $1.loss } }

    /// Evaluations since the best one.
    package var evaluationsSinceBest: Int {
        guard let best, let index = evaluations.firstIndex(of: best) else { return 0 }
        return evaluations.count - 1 - index
    }
}
