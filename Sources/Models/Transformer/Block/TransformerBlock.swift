package import Architectures
import CKernels
import Parallelism

/// One layer of a transformer, for running, measuring and training alike; what it computes is data.
///
///     N  positions      C  width      H, K, D  heads, key/value heads, width of a head      I  inner width
///
///     n1 = norm(x)            [N, C]        q, k, v = projections of n1       a = attention(rope(norm(q)), rope(norm(k)), v)
///     m  = x + after(Wo a)    [N, C]
///     n2 = norm(m)            [N, C]        gated: h = activation(Wg n2) * (Wu n2)    plain: h = activation(Wu n2)
///     y  = m + after(Wd h)    [N, C]        after: a norm, or nothing
package struct TransformerBlock<Linear> {
    package let attention: Attention
    package let feedForward: FeedForward
    package let attentionNorm: NormLayer
    /// Norms of each head's query and key, where the layer has them.
    package let headNorms: (query: NormLayer, key: NormLayer)?
    package let attentionPostNorm: NormLayer?
    package let feedForwardNorm: NormLayer
    package let feedForwardPostNorm: NormLayer?
    /// In the order in which they are used: what makes queries, keys and values, attention's output, gate and up, down.
    package let linearLayers: [Linear]

    /// - Parameters:
    ///   - norm, linear: the layer's modules by role.
    package init<Failure: Error>(
        _ layer: LayerDescription, norm: (TensorRole) throws(Failure) -> NormLayer, linear: (TensorRole) throws(Failure) -> Linear
    ) throws(Failure) {
        attention = layer.attention
        feedForward = layer.feedForward
        attentionNorm = try norm(.attentionNorm)
        headNorms = layer.attention.headNorm == nil ? nil : (try norm(.queryNorm), try norm(.keyNorm))
        let isAround = layer.normPlacement == .around
        attentionPostNorm = isAround ? try norm(.attentionPostNorm) : nil
        feedForwardNorm = try norm(.feedForwardNorm)
        feedForwardPostNorm = isAround ? try norm(.feedForwardPostNorm) : nil
        var layers: [Linear] = []
        for role in layer.linearRoles { layers.append(try linear(role)) }
        linearLayers = layers
    }

    /// C.
    package var width: Int { attentionNorm.width }

    // Numbers of linear layers.
    package var projectionLayers: Range<Int> { 0..<(attention.projections == .fused ? 1 : 3) }
    package var outputLayer: Int { projectionLayers.upperBound }
    package var innerLayers: Range<Int> { outputLayer + 1..<downLayer }
    package var downLayer: Int { outputLayer + (feedForward.form == .gated ? 3 : 2) }

    /// Elements that a worker takes at a time.
    private static var tile: Int { 1 << 14 }

    /// - Parameters:
    ///   - x: [N, C]
    ///   - y: [N, C], may be `x`; nil where only what the way back needs is made again.
    package func forward<Pass: BlockPass>(
        _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>?, _ memory: BlockMemory, _ pass: Pass
    ) where Pass.Linear == Linear {
        attentionNorm.forward(
            x, rows: pass.positionCount, statistics: memory.statistics[.attentionNorm], into: memory.normed, pass.engine)
        let rows = project(memory, pass)
        rotate(rows, sign: 1, pass)
        pass.attend(attention, rows, into: memory.attended)
        if let norm = attentionPostNorm {
            pass.multiply(memory.attended, by: outputLayer..<outputLayer + 1, of: self, into: [memory.attentionBranch])
            add(norm, of: memory.attentionBranch, .attentionPostNorm, to: x, into: memory.middle, memory, pass)
        } else {
            copy(x, to: memory.middle, pass)
            pass.add(memory.attended, by: outputLayer, of: self, to: memory.middle)
        }
        feedForwardNorm.forward(
            memory.middle, rows: pass.positionCount, statistics: memory.statistics[.feedForwardNorm], into: memory.normed, pass.engine)
        pass.multiply(memory.normed, by: innerLayers, of: self, into: innerLayers.count == 2 ? [memory.gate, memory.up] : [memory.gate])
        activate(memory, positions: pass.positionCount, pass.engine)
        let down = downLayer..<downLayer + 1
        if let norm = feedForwardPostNorm {
            pass.multiply(memory.inner, by: down, of: self, into: [memory.feedForwardBranch])
            // Statistics are made of it even where y is not wanted.
            add(norm, of: memory.feedForwardBranch, .feedForwardPostNorm, to: memory.middle, into: y, memory, pass)
        } else if let y {
            copy(memory.middle, to: y, pass)
            pass.add(memory.inner, by: downLayer, of: self, to: y)
        } else if pass.keepsProduct(with: linearLayers[downLayer]) {
            pass.multiply(memory.inner, by: down, of: self, into: [memory.feedForwardBranch])
        }
    }

    private func project<Pass: BlockPass>(_ memory: BlockMemory, _ pass: Pass) -> AttentionRows where Pass.Linear == Linear {
        let n = pass.positionCount, rows = AttentionRows(memory.projections, of: attention, positions: n)
        let hasNorms = headNorms != nil
        let queries = (hasNorms ? memory.rawQueries : nil) ?? rows.q.pointer, keys = (hasNorms ? memory.rawKeys : nil) ?? rows.k.pointer
        pass.multiply(
            memory.normed, by: projectionLayers, of: self,
            into: attention.projections == .fused ? [rows.q.pointer] : [queries, keys, rows.v.pointer])
        if let headNorms {
            headNorms.query.forward(
                queries, rows: n * attention.headCount, statistics: memory.statistics[.queryNorm], into: rows.q.pointer, pass.engine)
            headNorms.key.forward(
                keys, rows: n * attention.keyValueHeadCount, statistics: memory.statistics[.keyNorm], into: rows.k.pointer, pass.engine)
        }
        return rows
    }

    /// Turns queries and keys by the angles of their positions, or with `sign` -1 their gradients back.
    package func rotate<Pass: BlockPass>(_ rows: AttentionRows, sign: Float, _ pass: Pass) {
        guard let angles = pass.rotations.angles(of: attention) else { return }
        let half = attention.headWidth / 2, engine = pass.engine
        engine.pool.forTiles(of: pass.positionCount, size: max(1, Self.tile / attention.queryWidth)) { range in
            let n = range.lowerBound
            for (heads, count) in [(rows.q, attention.headCount), (rows.k, attention.keyValueHeadCount)] {
                qk_rotate_at(
                    engine.level, heads.pointer + n * heads.stride, range.count, heads.stride, count, half, angles.cosines + n * half,
                    angles.sines + n * half, sign)
            }
        }
    }

    /// `inner` from gate and up.
    package func activate(_ memory: BlockMemory, positions: Int, _ engine: MatrixEngine) {
        let kernel = feedForward.activation.kernel, isGated = feedForward.form == .gated
        engine.pool.forTiles(of: positions * feedForward.innerWidth, size: Self.tile) { range in
            let i = range.lowerBound
            if isGated {
                qk_gated_at(engine.level, kernel, memory.gate + i, memory.up + i, range.count, memory.inner + i)
            } else {
                qk_activate_at(engine.level, kernel, memory.gate + i, range.count, memory.inner + i)
            }
        }
    }

    /// target = x + norm(branch).
    private func add<Pass: BlockPass>(
        _ norm: NormLayer, of branch: UnsafePointer<Float>, _ role: TensorRole, to x: UnsafePointer<Float>,
        into target: UnsafeMutablePointer<Float>?, _ memory: BlockMemory, _ pass: Pass
    ) {
        norm.forward(branch, rows: pass.positionCount, statistics: memory.statistics[role], into: memory.normed, pass.engine)
        guard let target else { return }
        copy(x, to: target, pass)
        let engine = pass.engine
        engine.pool.forTiles(of: pass.positionCount * width, size: Self.tile) { range in
            qk_addToRows_at(engine.level, memory.normed + range.lowerBound, 1, range.count, target + range.lowerBound)
        }
    }

    /// target = x, where it is not the same memory.
    private func copy<Pass: BlockPass>(_ x: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, _ pass: Pass) {
        guard x != UnsafePointer(target) else { return }
        pass.engine.pool.forTiles(of: pass.positionCount * width, size: Self.tile) { range in
            (target + range.lowerBound).update(from: x + range.lowerBound, count: range.count)
        }
    }
}
