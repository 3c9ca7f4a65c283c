import Architectures
import CKernels
import Parallelism
import Transformer

/// One layer of a transformer.
///
///     N  positions      C  width      H, K, D  heads, key/value heads, width of a head      I  inner width
///
///     n1 = norm(x)            [N, C]        q, k, v = projections of n1       a = attention(rope(q), rope(k), v)
///     m  = x + Wo a           [N, C]
///     n2 = norm(m)            [N, C]        gated: h = silu(Wg n2) * (Wu n2)  plain: h = activation(Wf n2)
///     y  = m + Wd h           [N, C]
struct TransformerBlock {
    enum Projections {
        /// One layer makes q, k and v side by side.
        case fused(TunableLinear)
        case separate(q: TunableLinear, k: TunableLinear, v: TunableLinear)
    }

    enum MLP {
        case gated(gate: TunableLinear, up: TunableLinear, down: TunableLinear)
        case plain(inner: TunableLinear, outer: TunableLinear, activation: Activation)
    }

    let attentionNorm: NormLayer
    let projections: Projections
    /// Norms of each head's query and key, where the family has them.
    let headNorms: (query: NormLayer, key: NormLayer)?
    let attention: CausalAttention
    /// Of queries and keys; nil where nothing is rotated.
    let rotary: RotaryEmbedding?
    let output: TunableLinear
    let mlpNorm: NormLayer
    let mlp: MLP

    /// The linear layers, in the order in which they are used.
    var linearLayers: [TunableLinear] {
        let first: [TunableLinear] =
            switch projections {
            case .fused(let layer): [layer]
            case .separate(let q, let k, let v): [q, k, v]
            }
        return switch mlp {
        case .gated(let gate, let up, let down): first + [output, gate, up, down]
        case .plain(let inner, let outer, _): first + [output, inner, outer]
        }
    }

    private static let tile = 1 << 14

    // MARK: forward

    /// - Parameters:
    ///   - x: [N, C]
    ///   - y: [N, C]; nil where only the activations are wanted again.
    func forward(
        _ x: UnsafePointer<Float>, _ batch: PreparedBatch, keeping kept: BlockActivations, into y: UnsafeMutablePointer<Float>?,
        scratch: BlockScratch, _ context: StepContext
    ) {
        let n = batch.positionCount
        attentionNorm.forward(x, rows: n, statistics: kept.attentionStatistics, into: scratch.normed, pool: context.pool)
        let rows = attentionRows(kept.projections, n)
        project(scratch.normed, rows, kept, n, scratch, context)
        rotate(rows, batch, sign: 1, context)
        attention.forward(
            q: rows.q, k: rows.k, v: rows.v, starts: batch.starts, logSums: kept.logSums,
            into: .init(pointer: kept.attended, stride: output.inputCount), scratch: batch.workerScratch, pool: context.pool)
        output.forward(kept.attended, rows: n, u: kept.updates[outputIndex], into: kept.middle, scratch: scratch, context)
        add(x, to: kept.middle, count: n * attentionNorm.width, context)
        mlpNorm.forward(kept.middle, rows: n, statistics: kept.mlpStatistics, into: scratch.normed, pool: context.pool)
        forwardMLP(kept, n, into: y, scratch, context)
        if let y { add(kept.middle, to: y, count: n * attentionNorm.width, context) }
    }

    private func project(
        _ normed: UnsafePointer<Float>, _ rows: AttentionRows, _ kept: BlockActivations, _ n: Int, _ scratch: BlockScratch,
        _ context: StepContext
    ) {
        switch projections {
        case .fused(let layer):
            layer.forward(normed, rows: n, u: kept.updates[0], into: rows.q.pointer, scratch: scratch, context)
        case .separate(let q, let k, let v):
            let queries = headNorms == nil ? rows.q.pointer : kept.rawQueries, keys = headNorms == nil ? rows.k.pointer : kept.rawKeys
            q.forward(normed, rows: n, u: kept.updates[0], into: queries, scratch: scratch, context)
            k.forward(normed, rows: n, u: kept.updates[1], into: keys, scratch: scratch, context)
            v.forward(normed, rows: n, u: kept.updates[2], into: rows.v.pointer, scratch: scratch, context)
        }
        guard let headNorms else { return }
        headNorms.query.forward(
            kept.rawQueries, rows: n * attention.headCount, statistics: kept.queryStatistics, into: rows.q.pointer, pool: context.pool)
        headNorms.key.forward(
            kept.rawKeys, rows: n * attention.keyValueHeadCount, statistics: kept.keyStatistics, into: rows.k.pointer,
            pool: context.pool)
    }

    private func forwardMLP(
        _ kept: BlockActivations, _ n: Int, into y: UnsafeMutablePointer<Float>?, _ scratch: BlockScratch, _ context: StepContext
    ) {
        let first = outputIndex + 1
        switch mlp {
        case .gated(let gate, let up, let down):
            gate.forward(scratch.normed, rows: n, u: kept.updates[first], into: kept.gate, scratch: scratch, context)
            up.forward(scratch.normed, rows: n, u: kept.updates[first + 1], into: kept.up, scratch: scratch, context)
            activate(kept, count: n * gate.outputCount, scratch, context)
            guard y != nil || down.update != nil else { return }
            down.forward(scratch.inner, rows: n, u: kept.updates[first + 2], into: y ?? scratch.dnormed, scratch: scratch, context)
        case .plain(let inner, let outer, _):
            inner.forward(scratch.normed, rows: n, u: kept.updates[first], into: kept.gate, scratch: scratch, context)
            activate(kept, count: n * inner.outputCount, scratch, context)
            guard y != nil || outer.update != nil else { return }
            outer.forward(scratch.inner, rows: n, u: kept.updates[first + 1], into: y ?? scratch.dnormed, scratch: scratch, context)
        }
    }

    // MARK: backward

    /// - Parameters:
    ///   - x: of `forward`
    ///   - d: [N, C], the gradient of y on entry and that of x on return.
    func backward(
        _ d: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, _ batch: PreparedBatch, kept: BlockActivations,
        scratch: BlockScratch, _ context: StepContext
    ) {
        let n = batch.positionCount
        backwardMLP(d, kept, n, scratch, context)
        output.backward(
            d, x: kept.attended, rows: n, u: kept.updates[outputIndex], into: scratch.dattended, accumulates: false, scratch: scratch,
            context)
        let rows = attentionRows(kept.projections, n), gradients = attentionRows(scratch.dprojections, n)
        attention.backward(
            doutput: .init(pointer: scratch.dattended, stride: output.inputCount), q: rows.q, k: rows.k, v: rows.v,
            starts: batch.starts, logSums: kept.logSums, dq: gradients.q, dk: gradients.k, dv: gradients.v,
            scratch: batch.workerScratch, pool: context.pool)
        rotate(gradients, batch, sign: -1, context)
        attentionNorm.forward(x, rows: n, statistics: kept.attentionStatistics, into: scratch.normed, pool: context.pool)
        backwardProjections(gradients, kept, n, scratch, context)
        attentionNorm.backward(
            scratch.dnormed, x: x, rows: n, statistics: kept.attentionStatistics, addingTo: d, pool: context.pool)
    }

    private func backwardMLP(
        _ d: UnsafeMutablePointer<Float>, _ kept: BlockActivations, _ n: Int, _ scratch: BlockScratch, _ context: StepContext
    ) {
        let first = outputIndex + 1
        let u = kept.updates
        let normed = scratch.normed, inner = scratch.inner, dinner = scratch.dinner
        switch mlp {
        case .gated(let gate, let up, let down):
            let count = n * gate.outputCount
            activate(kept, count: count, scratch, context)
            down.backward(d, x: inner, rows: n, u: u[first + 2], into: dinner, accumulates: false, scratch: scratch, context)
            // The activation is not needed any more: its place takes the gradient of up.
            context.pool.forTiles(of: count, size: Self.tile) { range in
                let i = range.lowerBound
                qk_gated_backward_at(qk_simd_best(), QK_SILU, kept.gate + i, kept.up + i, range.count, dinner + i, inner + i)
            }
            mlpNorm.forward(kept.middle, rows: n, statistics: kept.mlpStatistics, into: normed, pool: context.pool)
            gate.backward(
                dinner, x: normed, rows: n, u: u[first], into: scratch.dnormed, accumulates: false, scratch: scratch, context)
            up.backward(
                inner, x: normed, rows: n, u: u[first + 1], into: scratch.dnormed, accumulates: true, scratch: scratch, context)
        case .plain(let layer, let outer, let activation):
            let count = n * layer.outputCount
            activate(kept, count: count, scratch, context)
            outer.backward(d, x: inner, rows: n, u: u[first + 1], into: dinner, accumulates: false, scratch: scratch, context)
            context.pool.forTiles(of: count, size: Self.tile) { range in
                activation.backward(dinner + range.lowerBound, x: kept.gate + range.lowerBound, count: range.count)
            }
            mlpNorm.forward(kept.middle, rows: n, statistics: kept.mlpStatistics, into: normed, pool: context.pool)
            layer.backward(
                dinner, x: normed, rows: n, u: u[first], into: scratch.dnormed, accumulates: false, scratch: scratch, context)
        }
        mlpNorm.backward(
            scratch.dnormed, x: kept.middle, rows: n, statistics: kept.mlpStatistics, addingTo: d, pool: context.pool)
    }

    /// Gradients of q, k and v through their layers, to that of the norm's output.
    private func backwardProjections(
        _ gradients: AttentionRows, _ kept: BlockActivations, _ n: Int, _ scratch: BlockScratch, _ context: StepContext
    ) {
        let normed = scratch.normed, dnormed = scratch.dnormed
        switch projections {
        case .fused(let layer):
            layer.backward(
                gradients.q.pointer, x: normed, rows: n, u: kept.updates[0], into: dnormed, accumulates: false, scratch: scratch,
                context)
        case .separate(let q, let k, let v):
            let (dq, dk) = backwardHeadNorms(gradients, kept, n, scratch, context)
            q.backward(dq, x: normed, rows: n, u: kept.updates[0], into: dnormed, accumulates: false, scratch: scratch, context)
            k.backward(dk, x: normed, rows: n, u: kept.updates[1], into: dnormed, accumulates: true, scratch: scratch, context)
            v.backward(
                gradients.v.pointer, x: normed, rows: n, u: kept.updates[2], into: dnormed, accumulates: true, scratch: scratch,
                context)
        }
    }

    /// Gradients of queries and keys before their norms.
    private func backwardHeadNorms(
        _ gradients: AttentionRows, _ kept: BlockActivations, _ n: Int, _ scratch: BlockScratch, _ context: StepContext
    ) -> (dq: UnsafePointer<Float>, dk: UnsafePointer<Float>) {
        guard let headNorms else { return (UnsafePointer(gradients.q.pointer), UnsafePointer(gradients.k.pointer)) }
        // Attention is done with the gradient of its output, and the MLP with its memory.
        let dq = scratch.dattended, dk = scratch.dinner
        dq.update(repeating: 0, count: n * gradients.q.stride)
        dk.update(repeating: 0, count: n * gradients.k.stride)
        headNorms.query.backward(
            gradients.q.pointer, x: kept.rawQueries, rows: n * attention.headCount, statistics: kept.queryStatistics, addingTo: dq,
            pool: context.pool)
        headNorms.key.backward(
            gradients.k.pointer, x: kept.rawKeys, rows: n * attention.keyValueHeadCount, statistics: kept.keyStatistics, addingTo: dk,
            pool: context.pool)
        return (UnsafePointer(dq), UnsafePointer(dk))
    }

    // MARK: parts of both

    private typealias AttentionRows = (q: CausalAttention.Rows, k: CausalAttention.Rows, v: CausalAttention.Rows)

    /// Index of the output layer among the linear layers.
    private var outputIndex: Int {
        if case .fused = projections { 1 } else { 3 }
    }

    private func attentionRows(_ base: UnsafeMutablePointer<Float>, _ n: Int) -> AttentionRows {
        let queries = attention.headCount * attention.headWidth, keys = attention.keyValueHeadCount * attention.headWidth
        switch projections {
        case .fused:
            let stride = queries + 2 * keys
            return (
                .init(pointer: base, stride: stride), .init(pointer: base + queries, stride: stride),
                .init(pointer: base + queries + keys, stride: stride)
            )
        case .separate:
            return (
                .init(pointer: base, stride: queries), .init(pointer: base + n * queries, stride: keys),
                .init(pointer: base + n * (queries + keys), stride: keys)
            )
        }
    }

    private func rotate(_ rows: AttentionRows, _ batch: PreparedBatch, sign: Float, _ context: StepContext) {
        guard let angles = rotary.flatMap({ batch.rotations[$0] }) else { return }
        let half = attention.headWidth / 2
        context.pool.forTiles(of: batch.positionCount, size: 32) { range in
            let n = range.lowerBound
            for (rows, heads) in [(rows.q, attention.headCount), (rows.k, attention.keyValueHeadCount)] {
                qk_rotate_at(
                    qk_simd_best(), rows.pointer + n * rows.stride, range.count, rows.stride, heads, half, angles.cosines + n * half,
                    angles.sines + n * half, sign)
            }
        }
    }

    /// The MLP's activation from what is kept, in `scratch.inner`.
    private func activate(_ kept: BlockActivations, count: Int, _ scratch: BlockScratch, _ context: StepContext) {
        context.pool.forTiles(of: count, size: Self.tile) { range in
            let i = range.lowerBound
            switch mlp {
            case .gated: qk_gated_at(qk_simd_best(), QK_SILU, kept.gate + i, kept.up + i, range.count, scratch.inner + i)
            case .plain(_, _, let activation): activation.forward(kept.gate + i, count: range.count, into: scratch.inner + i)
            }
        }
    }

    private func add(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int, _ context: StepContext) {
        context.pool.forTiles(of: count, size: Self.tile) { range in
            qk_addToRows_at(qk_simd_best(), x + range.lowerBound, 1, range.count, y + range.lowerBound)
        }
    }
}
