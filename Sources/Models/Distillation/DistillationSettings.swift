import Training

/// How constants and norms are tuned (`formats/calibration.md` says where the numbers come from).
package struct DistillationSettings: Sendable, Hashable {
    /// The highest learning rate of factors of constants: a step moves a constant by about so much of itself.
    package var rate = 1e-3
    /// The highest learning rate of norms, whose weights are as they are.
    package var normRate = 5e-4
    /// Positions of a step, in as many windows as fit.
    package var positionsPerStep = 512
    /// Evaluations on what is held out, besides that before the first step.
    package var evaluationCount = 4
    /// Evaluations without a lower divergence after which no more steps are taken.
    package var patience = 2

    package init() {}

    var optimizer: OptimizerSettings {
        var settings = OptimizerSettings(kind: .adamw)
        settings.beta2 = 0.99
        return settings
    }

    func learningRate(stepCount: Int) -> LearningRate {
        LearningRate(peak: rate, schedule: .cosine, warmupCount: 0, stepCount: stepCount)
    }
}
