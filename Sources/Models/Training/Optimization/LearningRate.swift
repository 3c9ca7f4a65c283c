import Platform

/// The learning rate of each step: a rise in a straight line during warm-up, then what the schedule says.
package struct LearningRate: Equatable, Sendable {
    package enum Schedule: String, Sendable, CaseIterable {
        case constant
        /// Straight down to 0 after the last step.
        case linear
        /// Down half a cosine to 0 after the last step.
        case cosine
    }

    package let peak: Double
    package let schedule: Schedule
    package let warmupCount: Int
    package let stepCount: Int

    package init(peak: Double, schedule: Schedule, warmupCount: Int, stepCount: Int) {
        self.peak = peak
        self.schedule = schedule
        self.warmupCount = warmupCount
        self.stepCount = stepCount
    }

    /// Of step `step`, counted from 0.
    package func rate(step: Int) -> Double {
        if step < warmupCount { return peak * Double(step + 1) / Double(warmupCount) }
        let done = Double(step - warmupCount) / Double(max(1, stepCount - warmupCount))
        return switch schedule {
        case .constant: peak
        case .linear: peak * max(0, 1 - done)
        case .cosine: peak * 0.5 * (1 + cos(Double.pi * min(1, done)))
        }
    }
}
