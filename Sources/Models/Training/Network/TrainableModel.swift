package import Architectures
package import ByteIO
import Parallelism
package import Records
import Transformer

/// A model whose loss can be differentiated: forward and backward over batches, gradients added to those of `parameters`.
///
/// All memory is planned at the start for the largest batch and reused; what a small batch does not touch is never resident.
package final class TrainableModel {
    package let configuration: ModelDescription
    /// What is trained.
    package let parameters: ParameterSet
    /// Whether blocks keep only their input and run forward again on the way back.
    package let recomputes: Bool
    package let tuning: Tuning
    /// What LoRA trains.
    let places: FactorPlaces
    /// Weights whose constants are trained, by the names of their modules.
    package let scaledWeights: [String: ScaledWeight]
    /// Whose predictions are learned; nil for what follows in the text.
    private let teacher: Network?
    private let embedding: EmbeddingLayer
    private let blocks: [TransformerBlock<TunableLinear>]
    private let head: OutputHead
    private let context: ComputeResources
    private let memory: Memory

    /// Buffers of the whole model.
    private struct Memory {
        /// Inputs of all blocks and the output of the last, [N, C] each.
        let hidden: [UnsafeMutablePointer<Float>]
        let activations: [BlockActivations]
        let scratch: BlockScratch
        /// Of the embedding's projection and of the head's.
        let updates: (embedding: UpdateMemory, head: UpdateMemory)
        let gradient: UnsafeMutablePointer<Float>
        let headScratch: UnsafeMutablePointer<Float>
        /// Of a teacher: outputs of its last block, [N, C], and scratch of its head.
        let teacher: (states: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>)?
        let workers: WorkerScratch
        let owner: FloatMemory
    }

    /// - Parameters:
    ///   - teacher: a model of the same sizes, whose predictions are learned: losses are divergences from these then, in nats. It is run
    ///     before the model, in the same memory. Nil for what follows in the text.
    ///   - positionLimit: positions of the largest batch.
    ///   - longestSample: positions of the longest sample.
    package init(
        _ network: Network, teacher: Network? = nil, positionLimit: Int, longestSample: Int, recomputes: Bool, resources: ComputeResources
    ) throws(FileError) {
        precondition(
            teacher.map { $0.blocks.count == network.blocks.count && $0.configuration.width == network.configuration.width } ?? true,
            "a teacher is of the same sizes")
        configuration = network.configuration
        parameters = network.parameters
        tuning = network.tuning
        places = network.places
        scaledWeights = network.scaledWeights
        self.teacher = teacher
        embedding = network.embedding
        blocks = network.blocks
        head = network.head
        context = resources
        self.recomputes = recomputes
        memory = try Self.plan(
            network, teacher, positionLimit: positionLimit, longestSample: longestSample, recomputes: recomputes,
            workerCount: resources.pool.threadCount)
    }

    /// What a batch's losses are, in sum, and how many there are.
    package struct Loss {
        package let sum: Double
        package let count: Int
        /// How unequally busy experts are (`RouterBalance`); nil where it is not asked for.
        package var routerLoss: Double?
    }

    /// Names of the modules that LoRA tunes, and of the parameters of experts, sorted.
    package var tunedModules: [String] { places.pairs.map(\.name).sorted() }

    /// The losses of a batch, with no gradients and nothing dropped.
    package func evaluate(_ batch: Batch) throws -> Loss {
        let step = StepContext(resources: context, isTraining: false, seed: 0, batchNumber: 0)
        let prepared = PreparedBatch(batch, configuration, workerScratch: memory.workers)
        let teacher = taught(prepared, step)
        forward(prepared, step)
        let sum = head.loss(
            memory.hidden[blocks.count], batch, lossWeight: 0, gradient: nil, teacher: teacher, scratch: memory.headScratch,
            updates: memory.updates.head, step)
        return Loss(sum: sum, count: batch.learnedCount)
    }

    /// Adds the gradient of `lossWeight` times the sum of the batch's losses to the gradients.
    ///
    /// - Parameters:
    ///   - routerWeight: what the loss of the routers is multiplied by, which is added then; 0 for none.
    ///   - seed, batchNumber: decide what is dropped.
    package func accumulate(
        _ batch: Batch, lossWeight: Double, routerWeight: Double = 0, seed: UInt64, batchNumber: Int
    ) throws -> Loss {
        differentiate(batch, lossWeight: lossWeight, routerWeight: routerWeight, labels: nil, seed: seed, batchNumber: batchNumber)
    }

    /// The way back from the summed losses of labels that the model draws itself, for who observes it; nothing is dropped.
    ///
    /// - Parameters:
    ///   - seed, batchNumber: decide what is drawn.
    package func differentiateDrawnLabels(_ batch: Batch, seed: UInt64, batchNumber: Int) -> Loss {
        let labels = DrawnLabels(count: batch.learnedCount, seed: seed, batchNumber: batchNumber)
        return differentiate(batch, lossWeight: 1, routerWeight: 0, labels: labels, seed: seed, batchNumber: batchNumber)
    }

    private func differentiate(
        _ batch: Batch, lossWeight: Double, routerWeight: Double, labels: DrawnLabels?, seed: UInt64, batchNumber: Int
    ) -> Loss {
        var step = StepContext(resources: context, isTraining: labels == nil, seed: seed, batchNumber: batchNumber)
        step.balance = routerWeight > 0 ? RouterBalance(weight: routerWeight) : nil
        let prepared = PreparedBatch(batch, configuration, workerScratch: memory.workers)
        let teacher = labels == nil ? taught(prepared, step) : nil
        forward(prepared, step)
        let sum = head.loss(
            memory.hidden[blocks.count], batch, lossWeight: Float(lossWeight), gradient: memory.gradient, labels: labels,
            teacher: teacher, scratch: memory.headScratch, updates: memory.updates.head, step)
        step.balance?.isObserving = false
        for (index, block) in blocks.enumerated().reversed() {
            let pass = pass(index, prepared, step), x = memory.hidden[index]
            if recomputes { block.forward(x, into: nil, pass.memory, pass) }
            block.backward(memory.gradient, x: x, pass)
        }
        // Nothing else needs the hidden states any more, nor what the head has used.
        embedding.backward(
            memory.gradient, prepared, scratch: [memory.hidden[0], memory.hidden[blocks.count], memory.headScratch],
            updates: memory.updates.embedding, step)
        return Loss(sum: sum, count: batch.learnedCount, routerLoss: step.balance?.loss)
    }

    /// The first layer, counted from 1, whose output of the last pass is not finite; 0 for the embedding, nil for none.
    func firstNonfiniteLayer(_ batch: Batch) -> Int? {
        memory.hidden.firstIndex { states in
            UnsafeBufferPointer(start: states, count: batch.positionCount * configuration.width).contains { !$0.isFinite }
        }
    }

    /// What the teacher makes of a batch; nil where there is none.
    private func taught(_ batch: PreparedBatch, _ step: StepContext) -> Teacher? {
        guard let teacher, let memory = memory.teacher else { return nil }
        forward(batch, teacher.embedding, teacher.blocks, step)
        memory.states.update(from: self.memory.hidden[blocks.count], count: batch.positionCount * configuration.width)
        return Teacher(head: teacher.head, states: memory.states, scratch: memory.scratch)
    }

    private func forward(_ batch: PreparedBatch, _ step: StepContext) {
        for weight in scaledWeights.values { weight.refresh() }
        forward(batch, embedding, blocks, step)
    }

    private func forward(
        _ batch: PreparedBatch, _ embedding: EmbeddingLayer, _ blocks: [TransformerBlock<TunableLinear>], _ step: StepContext
    ) {
        embedding.forward(batch, into: memory.hidden[0], scratch: memory.hidden[blocks.count], updates: memory.updates.embedding, step)
        for (index, block) in blocks.enumerated() {
            let pass = pass(index, batch, step)
            block.forward(memory.hidden[index], into: memory.hidden[index + 1], pass.memory, pass)
        }
    }

    private func pass(_ block: Int, _ batch: PreparedBatch, _ step: StepContext) -> TrainingPass {
        TrainingPass(context: step, batch: batch, kept: memory.activations[recomputes ? 0 : block], scratch: memory.scratch)
    }

    // MARK: memory

    /// Bytes of all buffers for such batches: what an estimate before the start adds up.
    ///
    /// - Parameter teacher: whose predictions are learned; nil for none.
    package static func bufferByteCount(
        _ network: Network, teacher: Network? = nil, positionLimit: Int, longestSample: Int, recomputes: Bool, workerCount: Int
    ) -> Int {
        let counts = counts(network, teacher, positionLimit: positionLimit, recomputes: recomputes)
        return 4 * (counts.reduce(0, +) + workerCount * CausalAttention.scratchCount(longestSample: longestSample))
    }

    /// Floats of each buffer, in the order of `plan`.
    private static func counts(_ network: Network, _ teacher: Network?, positionLimit n: Int, recomputes: Bool) -> [Int] {
        let (shapes, widest) = shapes(network, positions: n)
        let hidden = [Int](repeating: n * network.configuration.width, count: network.blocks.count + 2)
        let kept = recomputes ? [widest.activationCount] : shapes.map(\.activationCount)
        let updates = [Int](repeating: n * network.projectionRank, count: 3)
        let taught = teacher.map { [n * $0.configuration.width, $0.head.scratchCount(positions: n)] } ?? []
        return hidden + [widest.scratchCount, network.head.scratchCount(positions: n)] + updates + taught + kept
    }

    private static func plan(
        _ network: Network, _ teacher: Network?, positionLimit n: Int, longestSample: Int, recomputes: Bool, workerCount: Int
    ) throws(FileError) -> Memory {
        let counts = counts(network, teacher, positionLimit: n, recomputes: recomputes)
        let owner = try FloatMemory(count: counts.reduce(0) { $0 + BlockShape.aligned($1) })
        let parts = BlockShape.divide(owner.pointer, counts)
        let layers = network.blocks.count, firstKept = layers + 7 + (teacher == nil ? 0 : 2)
        let (shapes, widest) = shapes(network, positions: n)
        let scratch = BlockScratch(parts[layers + 2], widest)
        let updates = (0..<2).map { UpdateMemory(u: parts[layers + 4 + $0], dv: parts[layers + 6], dropped: scratch.dropped) }
        return Memory(
            hidden: Array(parts[..<(layers + 1)]),
            activations: parts[firstKept...].enumerated().map { BlockActivations($1, recomputes ? widest : shapes[$0]) },
            scratch: scratch, updates: (updates[0], updates[1]), gradient: parts[layers + 1], headScratch: parts[layers + 3],
            teacher: teacher == nil ? nil : (parts[layers + 7], parts[layers + 8]),
            workers: try WorkerScratch(workerCount: workerCount, count: CausalAttention.scratchCount(longestSample: longestSample)),
            owner: owner)
    }

    /// Of each block, and one with room for any of them.
    private static func shapes(_ network: Network, positions: Int) -> (each: [BlockShape], widest: BlockShape) {
        let each = network.blocks.map { BlockShape($0, positions: positions) }
        guard let first = each.first else { preconditionFailure("a model has layers") }
        return (each, each.reduce(first) { $0.united(with: $1) })
    }
}
