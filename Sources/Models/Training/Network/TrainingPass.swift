import Architectures
import Transformer

/// A pass of a batch through one block: products with LoRA beside them, attention inside of each sample.
struct TrainingPass: BlockPass {
    let context: StepContext
    let batch: PreparedBatch
    let kept: BlockActivations
    let scratch: BlockScratch

    var engine: MatrixEngine { context.engine }
    var positionCount: Int { batch.positionCount }
    var rotations: Rotations { batch.rotations }
    /// What is kept, and for the rest what all blocks share.
    var memory: BlockMemory { kept.memory(scratch) }

    func multiply(
        _ x: UnsafePointer<Float>, by layers: Range<Int>, of block: TransformerBlock<TunableLinear>,
        into results: [UnsafeMutablePointer<Float>]
    ) {
        for (layer, y) in zip(layers, results) {
            block.linearLayers[layer].forward(x, rows: positionCount, u: kept.updates[layer], into: y, scratch: scratch, context)
        }
    }

    func add(_ x: UnsafePointer<Float>, by layer: Int, of block: TransformerBlock<TunableLinear>, to y: UnsafeMutablePointer<Float>) {
        block.linearLayers[layer].forward(
            x, rows: positionCount, u: kept.updates[layer], into: y, accumulates: true, scratch: scratch, context)
    }

    /// Updates of experts are made again on the way back, expert by expert.
    func multiply(
        _ x: UnsafePointer<Float>, rows: Int, by layers: Range<Int>, ofExpert expert: Int, of block: TransformerBlock<TunableLinear>,
        into results: [UnsafeMutablePointer<Float>]
    ) {
        for (layer, y) in zip(layers, results) {
            block.experts[expert][layer].forward(x, rows: rows, u: scratch.expertUpdates[layer], into: y, scratch: scratch, context)
        }
    }

    func score(
        _ x: UnsafePointer<Float>, by layer: Int, of block: TransformerBlock<TunableLinear>, into scores: UnsafeMutablePointer<Float>
    ) {
        block.linearLayers[layer].score(x, rows: positionCount, u: kept.updates[layer], into: scores, scratch: scratch, context)
        if let mixture = block.feedForward.mixture, layer == block.routerLayer {
            context.balance?.observe(scores, positions: positionCount, mixture)
        }
    }

    /// The way back needs u of a low-rank update.
    func keepsProduct(with layer: TunableLinear) -> Bool { layer.update != nil }

    func attend(
        _ attention: Attention, _ rows: AttentionRows, sinks: VectorParameter?, into attended: UnsafeMutablePointer<Float>
    ) {
        CausalAttention(attention, sinks: sinks).forward(
            rows, starts: batch.starts, logSums: kept.logSums, into: .init(pointer: attended, stride: attention.queryWidth),
            scratch: batch.workerScratch, pool: context.pool)
    }
}
