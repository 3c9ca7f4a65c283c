/// What a run will take of memory, in bytes, before any of it is taken.
package struct TrainingMemory: Equatable, Sendable {
    /// Weights of the base as they are stored, mapped from the file.
    package let base: Int
    /// Trained parameters, the best of them where they are kept, their gradients, and the optimizer's moments.
    package let training: Int
    /// Activations and scratch of the largest batch.
    package let activations: Int
    /// The program, its tokenizer and data.
    package let program = 64 << 20

    package var total: Int { base + training + activations + program }

    /// - Parameters:
    ///   - baseByteCount: of the model's stored tensors.
    ///   - keepsBest: whether the parameters with the lowest validation loss are kept.
    ///   - positionLimit: positions of the largest batch.
    ///   - longestSample: positions of the longest sample.
    package init(
        _ network: Network, baseByteCount: Int, optimizer: OptimizerSettings, keepsBest: Bool, positionLimit: Int, longestSample: Int,
        recomputes: Bool, workerCount: Int
    ) {
        base = baseByteCount
        let count = network.parameters.values.count
        // Paged moments are the system's to write out.
        let moments = optimizer.kind == .pagedAdamW ? 0 : Int(Double(count) * optimizer.stateByteCount)
        training = (keepsBest ? 12 : 8) * count + moments
        activations = TrainableModel.bufferByteCount(
            network, positionLimit: positionLimit, longestSample: longestSample, recomputes: recomputes, workerCount: workerCount)
    }
}
