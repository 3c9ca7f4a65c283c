package import Parallelism
package import Records

/// Takes optimizer steps: gradients of some batches, their norm, clipping, and the change of the parameters.
package final class Trainer {
    /// What came of a step.
    package struct StepReport: Sendable {
        /// Counted from 0.
        package let step: Int
        /// Mean over all predictions that count.
        package let loss: Double
        /// Before clipping.
        package let gradientNorm: Double
        package let learningRate: Double
        package let learnedCount: Int
        package let positionCount: Int
        /// Mean over the batches, by their predictions; nil where it is not asked for. No part of `loss`.
        package var routerLoss: Double?
    }

    package let model: TrainableModel
    package let optimizer: Optimizer
    package let learningRate: LearningRate
    /// Largest gradient norm; nil for any.
    package let clip: Double?
    /// What the loss of the routers of a mixture counts beside that of the text (`RouterBalance`); 0 for nothing.
    package let routerWeight: Double
    private let seed: UInt64
    private let pool: WorkerPool

    package init(
        _ model: TrainableModel, optimizer: Optimizer, learningRate: LearningRate, clip: Double?, routerWeight: Double = 0, seed: UInt64,
        pool: WorkerPool
    ) {
        self.routerWeight = routerWeight
        self.model = model
        self.optimizer = optimizer
        self.learningRate = learningRate
        self.clip = clip
        self.seed = seed
        self.pool = pool
    }

    /// Step number `step` of the run, counted from 0. Every prediction weighs the same, in whichever batch it is.
    ///
    /// - Throws: `TrainingError` where loss or gradient are not finite; the parameters are then as they were.
    package func step(_ step: Int, _ batches: [Batch]) throws -> StepReport {
        let learnedCount = batches.reduce(0) { $0 + $1.learnedCount }
        precondition(learnedCount > 0, "a step has something to learn")
        model.parameters.clearGradients()
        var sum = 0.0, routerLoss = 0.0
        for (index, batch) in batches.enumerated() {
            let number = step &* 65_536 &+ index
            let share = Double(batch.learnedCount) / Double(learnedCount)
            let loss = try model.accumulate(
                batch, lossWeight: 1 / Double(learnedCount), routerWeight: routerWeight * share, seed: seed, batchNumber: number)
            routerLoss += share * (loss.routerLoss ?? 0)
            guard loss.sum.isFinite else {
                throw TrainingError.nonfiniteLoss(step: step, batch: index, layer: model.firstNonfiniteLayer(batch), samples: [])
            }
            sum += loss.sum
        }
        let norm = GradientNorm.norm(model.parameters, pool: pool)
        guard norm.isFinite else {
            throw TrainingError.nonfiniteGradient(step: step, tensor: model.parameters.firstNonfiniteGradient)
        }
        let rate = learningRate.rate(step: step)
        try optimizer.step(
            model.parameters, learningRate: rate, gradientScale: GradientNorm.clipFactor(norm: norm, limit: clip), pool: pool)
        return StepReport(
            step: step, loss: sum / Double(learnedCount), gradientNorm: norm, learningRate: rate, learnedCount: learnedCount,
            positionCount: batches.reduce(0) { $0 + $1.positionCount }, routerLoss: routerWeight > 0 ? routerLoss : nil)
    }
}
