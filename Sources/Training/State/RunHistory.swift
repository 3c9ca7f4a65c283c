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
}
