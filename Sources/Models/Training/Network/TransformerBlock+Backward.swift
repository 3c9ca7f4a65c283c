import Architectures
import CKernels
import Parallelism
import Transformer

extension TransformerBlock<TunableLinear> {
    /// Elements that a worker takes at a time.
    private static var tile: Int { 1 << 14 }

    /// The way back through `forward`; gradients of what is trained are added to.
    ///
    /// - Parameters:
    ///   - x: of `forward`
    ///   - d: [N, C], the gradient of y on entry and that of x on return.
    func backward(_ d: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, _ pass: TrainingPass) {
        let (kept, scratch, n) = (pass.kept, pass.scratch, pass.positionCount)
        backwardFeedForward(d, pass)
        let dbranch = backwardPostNorm(attentionPostNorm, .attentionPostNorm, d, x: kept.branches?.attention, pass)
        backward(outputLayer, dbranch, x: kept.attended, into: scratch.dattended, pass)
        let gradients = AttentionRows(scratch.dprojections, of: attention, positions: n)
        CausalAttention(attention).backward(
            doutput: .init(pointer: scratch.dattended, stride: attention.queryWidth),
            AttentionRows(kept.projections, of: attention, positions: n), starts: pass.batch.starts, logSums: kept.logSums,
            gradients: gradients, scratch: pass.batch.workerScratch, pool: pass.context.pool)
        rotate(gradients, sign: -1, pass)
        attentionNorm.forward(x, rows: n, into: scratch.normed, pass.engine)
        backwardProjections(gradients, pass)
        attentionNorm.backward(
            scratch.dnormed, x: x, rows: n, statistics: kept.statistics(.attentionNorm), addingTo: d, pass.engine)
    }

    private func backwardFeedForward(_ d: UnsafeMutablePointer<Float>, _ pass: TrainingPass) {
        let (kept, scratch, engine, n) = (pass.kept, pass.scratch, pass.engine, pass.positionCount)
        let inner = scratch.inner, dinner = scratch.dinner, kernel = feedForward.activation.kernel
        let dbranch = backwardPostNorm(feedForwardPostNorm, .feedForwardPostNorm, d, x: kept.branches?.feedForward, pass)
        activate(pass.memory, positions: n, engine)
        backward(downLayer, dbranch, x: inner, into: dinner, pass)
        let isGated = feedForward.form == .gated
        engine.pool.forTiles(of: n * feedForward.innerWidth, size: Self.tile) { range in
            let i = range.lowerBound
            if isGated {
                // The activation is not needed any more: its place takes the gradient of up.
                qk_gated_backward_at(engine.level, kernel, kept.gate + i, kept.up + i, range.count, dinner + i, inner + i)
            } else {
                qk_activate_backward_at(engine.level, kernel, kept.gate + i, range.count, dinner + i)
            }
        }
        feedForwardNorm.forward(kept.middle, rows: n, into: scratch.normed, engine)
        for (layer, gradient) in zip(innerLayers, [dinner, inner]) {
            backward(
                layer, gradient, x: scratch.normed, into: scratch.dnormed, accumulates: layer > innerLayers.lowerBound, pass)
        }
        feedForwardNorm.backward(
            scratch.dnormed, x: kept.middle, rows: n, statistics: kept.statistics(.feedForwardNorm), addingTo: d, engine)
    }

    /// The gradient of what a branch gives, from that of what is added.
    private func backwardPostNorm(
        _ norm: NormLayer?, _ role: TensorRole, _ d: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>?, _ pass: TrainingPass
    ) -> UnsafeMutablePointer<Float> {
        guard let norm, let x else { return d }
        let dbranch = pass.scratch.dbranch
        dbranch.update(repeating: 0, count: pass.positionCount * width)
        norm.backward(d, x: x, rows: pass.positionCount, statistics: pass.kept.statistics(role), addingTo: dbranch, pass.engine)
        return dbranch
    }

    /// Through linear layer number `layer`.
    private func backward(
        _ layer: Int, _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>,
        accumulates: Bool = false, _ pass: TrainingPass
    ) {
        linearLayers[layer].backward(
            dy, x: x, rows: pass.positionCount, u: pass.kept.updates[layer], into: dx, accumulates: accumulates, scratch: pass.scratch,
            pass.context)
    }

    /// Gradients of q, k and v through their layers, to that of the norm's output.
    private func backwardProjections(_ gradients: AttentionRows, _ pass: TrainingPass) {
        let (dq, dk) = backwardHeadNorms(gradients, pass)
        for (layer, gradient) in zip(projectionLayers, [dq, dk, UnsafePointer(gradients.v.pointer)]) {
            backward(layer, gradient, x: pass.scratch.normed, into: pass.scratch.dnormed, accumulates: layer > 0, pass)
        }
    }

    /// Gradients of queries and keys before their norms.
    private func backwardHeadNorms(
        _ gradients: AttentionRows, _ pass: TrainingPass
    ) -> (dq: UnsafePointer<Float>, dk: UnsafePointer<Float>) {
        let (kept, n) = (pass.kept, pass.positionCount)
        guard let headNorms, let rawQueries = kept.rawQueries, let rawKeys = kept.rawKeys else {
            return (UnsafePointer(gradients.q.pointer), UnsafePointer(gradients.k.pointer))
        }
        // Attention is done with the gradient of its output, and the MLP with its memory.
        let dq = pass.scratch.dattended, dk = pass.scratch.dinner
        dq.update(repeating: 0, count: n * attention.queryWidth)
        dk.update(repeating: 0, count: n * attention.keyValueWidth)
        headNorms.query.backward(
            gradients.q.pointer, x: rawQueries, rows: n * attention.headCount, statistics: kept.statistics(.queryNorm), addingTo: dq,
            pass.engine)
        headNorms.key.backward(
            gradients.k.pointer, x: rawKeys, rows: n * attention.keyValueHeadCount, statistics: kept.statistics(.keyNorm), addingTo: dk,
            pass.engine)
        return (UnsafePointer(dq), UnsafePointer(dk))
    }
}
