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
        // Branches beside each other have the same gradient, before the MLP adds to it.
        if isParallel { backward(outputLayer, d, x: kept.attended, into: scratch.dattended, pass) }
        backwardFeedForward(d, x: isParallel ? x : UnsafePointer(kept.middle), pass)
        if !isParallel {
            let dbranch = branchGradient(
                d, x: kept.branches?.attention, wiring == .normedSum ? attentionNorm : attentionPostNorm,
                wiring == .normedSum ? .attentionNorm : .attentionPostNorm, pass)
            backward(outputLayer, dbranch, x: kept.attended, into: scratch.dattended, pass)
        }
        let gradients = AttentionRows(scratch.dprojections, of: attention, positions: n)
        CausalAttention(attention, sinks: sinks).backward(
            doutput: .init(pointer: scratch.dattended, stride: attention.queryWidth),
            AttentionRows(kept.projections, of: attention, positions: n), starts: pass.batch.starts, logSums: kept.logSums,
            attended: .init(pointer: kept.attended, stride: attention.queryWidth),
            gradients: gradients, scratch: pass.batch.workerScratch, pool: pass.context.pool)
        turn(gradients, sign: -1, pass)
        let input = normalized(x, by: attentionNorm, pass)
        backwardProjections(gradients, x: input, pass)
        addInputGradient(attentionNorm, .attentionNorm, x: x, to: d, pass)
    }

    /// The input of a branch again: norm(x), or x where the wiring has no norm there.
    private func normalized(_ x: UnsafePointer<Float>, by norm: NormLayer?, _ pass: TrainingPass) -> UnsafePointer<Float> {
        guard let norm, wiring != .normedSum else { return x }
        norm.forward(x, rows: pass.positionCount, into: pass.scratch.normed, pass.engine)
        return UnsafePointer(pass.scratch.normed)
    }

    /// The gradient of a branch's input, which is in `dnormed`, to that of the residual stream.
    private func addInputGradient(
        _ norm: NormLayer?, _ role: TensorRole, x: UnsafePointer<Float>, to d: UnsafeMutablePointer<Float>, _ pass: TrainingPass
    ) {
        let (scratch, n) = (pass.scratch, pass.positionCount)
        guard let norm, wiring != .normedSum else { return add(scratch.dnormed, to: d, pass) }
        if wiring == .normedStream {
            // The stream goes on with the norm's output.
            add(d, to: scratch.dnormed, pass)
            d.update(repeating: 0, count: n * width)
        }
        norm.backward(scratch.dnormed, x: x, rows: n, statistics: pass.kept.statistics(role), addingTo: d, pass.engine)
    }

    private func add(_ values: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, _ pass: TrainingPass) {
        pass.engine.pool.forTiles(of: pass.positionCount * width, size: Self.tile) { range in
            qk_addToRows_at(pass.engine.level, values + range.lowerBound, 1, range.count, target + range.lowerBound)
        }
    }

    private func backwardFeedForward(_ d: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, _ pass: TrainingPass) {
        if let mixture = feedForward.mixture { return backwardMixture(mixture, d, x: x, pass) }
        let (kept, scratch, engine, n) = (pass.kept, pass.scratch, pass.engine, pass.positionCount)
        let dbranch = branchGradient(
            d, x: kept.branches?.feedForward, wiring == .normedSum ? feedForwardNorm : feedForwardPostNorm,
            wiring == .normedSum ? .feedForwardNorm : .feedForwardPostNorm, pass)
        activate(pass.memory, positions: n, engine)
        backward(downLayer, dbranch, x: scratch.inner, into: scratch.dinner, pass)
        let gradients = backwardActivation(pass)
        let input = normalized(x, by: feedForwardNorm, pass)
        for (layer, gradient) in zip(innerLayers, gradients) {
            backward(layer, gradient, x: input, into: scratch.dnormed, accumulates: layer > innerLayers.lowerBound, pass)
        }
        addInputGradient(feedForwardNorm, feedForwardNormRole, x: x, to: d, pass)
    }

    /// Gradients of what the inner layers give, from that of the activation, which is in `dinner`.
    private func backwardActivation(_ pass: TrainingPass) -> [UnsafePointer<Float>] {
        let (kept, scratch, engine, n) = (pass.kept, pass.scratch, pass.engine, pass.positionCount)
        let inner = scratch.inner, dinner = scratch.dinner, kernel = feedForward.activation.kernel, inside = feedForward.innerWidth
        switch feedForward.form {
        case .gated:
            engine.pool.forTiles(of: n * inside, size: Self.tile) { range in
                let i = range.lowerBound
                // The activation is not needed any more: its place takes the gradient of up.
                qk_gated_backward_at(engine.level, kernel, kept.gate + i, kept.up + i, range.count, dinner + i, inner + i)
            }
            return [UnsafePointer(dinner), UnsafePointer(inner)]
        case .plain:
            engine.pool.forTiles(of: n * inside, size: Self.tile) { range in
                qk_activate_backward_at(
                    engine.level, kernel, kept.gate + range.lowerBound, range.count, dinner + range.lowerBound)
            }
            return [UnsafePointer(dinner)]
        case .fusedGated:
            engine.pool.forTiles(of: n, size: max(1, Self.tile / inside)) { range in
                for row in range {
                    let gate = kept.gate + 2 * row * inside, dgate = scratch.dgates + 2 * row * inside
                    dgate.update(from: dinner + row * inside, count: inside)
                    qk_gated_backward_at(engine.level, kernel, gate, gate + inside, inside, dgate, dgate + inside)
                }
            }
            return [UnsafePointer(scratch.dgates)]
        }
    }

    private func backwardMixture(
        _ mixture: Mixture, _ d: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, _ pass: TrainingPass
    ) {
        let dbranch = branchGradient(d, x: pass.kept.branches?.feedForward, feedForwardPostNorm, .feedForwardPostNorm, pass)
        let input = normalized(x, by: feedForwardNorm, pass)
        MixtureBackward(block: self, mixture: mixture, pass: pass).run(dbranch, x: input, into: pass.scratch.dnormed)
        addInputGradient(feedForwardNorm, feedForwardNormRole, x: x, to: d, pass)
    }

    /// The gradient of what a branch gives, from that of the sum that it ends in; where the sum is normalized, `d` becomes that of
    /// the sum before.
    private func branchGradient(
        _ d: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>?, _ norm: NormLayer?, _ role: TensorRole, _ pass: TrainingPass
    ) -> UnsafeMutablePointer<Float> {
        let dbranch = pass.scratch.dbranch, count = pass.positionCount * width, engine = pass.engine
        if let norm, let x {
            dbranch.update(repeating: 0, count: count)
            norm.backward(d, x: x, rows: pass.positionCount, statistics: pass.kept.statistics(role), addingTo: dbranch, engine)
            if wiring == .normedSum { d.update(from: dbranch, count: count) }
            return dbranch
        }
        guard branchFactor != 1 else { return d }
        engine.pool.forTiles(of: count, size: Self.tile) { range in
            (dbranch + range.lowerBound).update(from: d + range.lowerBound, count: range.count)
            qk_scale_at(engine.level, branchFactor, range.count, dbranch + range.lowerBound)
        }
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

    /// Gradients of q, k and v through their layers, to that of their input.
    private func backwardProjections(_ gradients: AttentionRows, x: UnsafePointer<Float>, _ pass: TrainingPass) {
        if attention.projections == .grouped {
            order(gradients.q.pointer, isBackward: true, positions: pass.positionCount, pass.engine)
        }
        let (dq, dk) = backwardHeads(gradients, pass)
        for (layer, gradient) in zip(projectionLayers, [dq, dk, UnsafePointer(gradients.v.pointer)]) {
            backward(layer, gradient, x: x, into: pass.scratch.dnormed, accumulates: layer > 0, pass)
        }
    }

    /// Gradients of queries and keys before clipping and norms; those of values before clipping take their places.
    private func backwardHeads(
        _ gradients: AttentionRows, _ pass: TrainingPass
    ) -> (dq: UnsafePointer<Float>, dk: UnsafePointer<Float>) {
        let (kept, n) = (pass.kept, pass.positionCount), queries = n * attention.queryWidth, keys = n * attention.keyValueWidth
        let direct = (UnsafePointer(gradients.q.pointer), UnsafePointer(gradients.k.pointer))
        guard let rawQueries = kept.rawQueries, let rawKeys = kept.rawKeys, headNorms != nil || attention.clip != nil else { return direct }
        // Attention is done with the gradient of its output, and the MLP with its memory.
        let dq = pass.scratch.dattended, dk = pass.scratch.dinner
        if let limit = attention.clip {
            headNorms?.query.forward(rawQueries, rows: queries / (headNorms?.query.width ?? 1), into: dq, pass.engine)
            headNorms?.key.forward(rawKeys, rows: keys / (headNorms?.key.width ?? 1), into: dk, pass.engine)
            let hasNorms = headNorms != nil
            unclip(limit, x: hasNorms ? dq : rawQueries, queries, gradients.q.pointer, pass)
            unclip(limit, x: hasNorms ? dk : rawKeys, keys, gradients.k.pointer, pass)
            // Values are kept clipped: those at the limit are taken for clipped ones.
            unclip(
                limit.nextDown, x: AttentionRows(kept.projections, of: attention, positions: n).v.pointer, keys, gradients.v.pointer, pass)
        }
        guard let headNorms else { return direct }
        dq.update(repeating: 0, count: queries)
        dk.update(repeating: 0, count: keys)
        headNorms.query.backward(
            gradients.q.pointer, x: rawQueries, rows: queries / headNorms.query.width, statistics: kept.statistics(.queryNorm),
            addingTo: dq, pass.engine)
        headNorms.key.backward(
            gradients.k.pointer, x: rawKeys, rows: keys / headNorms.key.width, statistics: kept.statistics(.keyNorm), addingTo: dk,
            pass.engine)
        return (UnsafePointer(dq), UnsafePointer(dk))
    }

    private func unclip(
        _ limit: Float, x: UnsafePointer<Float>, _ count: Int, _ gradients: UnsafeMutablePointer<Float>, _ pass: TrainingPass
    ) {
        pass.engine.pool.forTiles(of: count, size: Self.tile) { range in
            qk_clamp_backward_at(pass.engine.level, limit, x + range.lowerBound, range.count, gradients + range.lowerBound)
        }
    }
}
