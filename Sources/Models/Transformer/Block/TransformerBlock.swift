package import Architectures
import CKernels
import Parallelism

/// One layer of a transformer, for running, measuring and training alike; what it computes is data.
///
///     N  positions      C  width      H, K, D  heads, key/value heads, width of a head      I  inner width
///
///     n1 = norm(x)            [N, C]        q, k, v = projections of n1       a = attention(turn(norm(q)), turn(norm(k)), v)
///     m  = x + f after(Wo a)  [N, C]
///     n2 = norm(m)            [N, C]        gated: h = activation(Wg n2) * (Wu n2)    plain: h = activation(Wu n2)
///     y  = m + f after(Wd h)  [N, C]        after: a norm, or nothing
///
/// Other wirings (`LayerDescription.Wiring`) take n2 of x, or tie the branches to n1 and n2, or normalize the sums.
package struct TransformerBlock<Linear> {
    package let attention: Attention
    package let feedForward: FeedForward
    package let wiring: LayerDescription.Wiring
    package let branchFactor: Float
    /// Of the inputs of the branches; nil where they have none.
    package let attentionNorm: NormLayer?
    package let feedForwardNorm: NormLayer?
    /// Norms of queries and keys, where the layer has them.
    package let headNorms: (query: NormLayer, key: NormLayer)?
    /// Of what the branches give.
    package let attentionPostNorm: NormLayer?
    package let feedForwardPostNorm: NormLayer?
    /// In the order in which they are used: what makes queries, keys and values, attention's output, gate and up, down; of a layer with
    /// experts, the router and a shared expert take the places after attention's.
    package let linearLayers: [Linear]
    /// Of each expert, in the order in which they are used.
    package let experts: [[Linear]]
    /// [H], where attention has sinks.
    package let sinks: VectorParameter?
    /// C.
    package let width: Int

    /// - Parameters:
    ///   - norm, linear: the layer's modules by role.
    ///   - expert: the modules of an expert.
    ///   - sinks: asked for where attention has some.
    package init<Failure: Error>(
        _ layer: LayerDescription, norm: (TensorRole) throws(Failure) -> NormLayer, linear: (TensorRole) throws(Failure) -> Linear,
        expert: (TensorRole, Int) throws(Failure) -> Linear, sinks: () throws(Failure) -> VectorParameter
    ) throws(Failure) {
        attention = layer.attention
        feedForward = layer.feedForward
        wiring = layer.wiring
        branchFactor = layer.branchFactor
        let roles = layer.normRoles
        func optional(_ role: TensorRole) throws(Failure) -> NormLayer? { roles.contains(role) ? try norm(role) : nil }
        attentionNorm = try optional(.attentionNorm)
        headNorms = layer.attention.headNorm == nil ? nil : (try norm(.queryNorm), try norm(.keyNorm))
        attentionPostNorm = try optional(.attentionPostNorm)
        feedForwardNorm = layer.wiring == .parallel(sharesNorm: true) ? attentionNorm : try optional(.feedForwardNorm)
        feedForwardPostNorm = try optional(.feedForwardPostNorm)
        guard let someNorm = attentionNorm ?? attentionPostNorm else { preconditionFailure("a layer has norms before or after attention") }
        width = someNorm.width
        var layers: [Linear] = []
        for role in layer.linearRoles { layers.append(try linear(role)) }
        linearLayers = layers
        var experts: [[Linear]] = []
        if let mixture = layer.feedForward.mixture {
            for number in 0..<mixture.expertCount {
                var parts: [Linear] = []
                for role in mixture.expertRoles { parts.append(try expert(role, number)) }
                experts.append(parts)
            }
        }
        self.experts = experts
        self.sinks = layer.attention.hasSinks ? try sinks() : nil
    }

    // Numbers of linear layers.
    package var projectionLayers: Range<Int> { 0..<(attention.isFused ? 1 : 3) }
    package var outputLayer: Int { projectionLayers.upperBound }
    package var innerLayers: Range<Int> { outputLayer + 1..<downLayer }
    package var downLayer: Int { outputLayer + (feedForward.form == .gated ? 3 : 2) }

    /// The norm of which the MLP's input is taken, by its role: both branches may share one.
    package var feedForwardNormRole: TensorRole { wiring == .parallel(sharesNorm: true) ? .attentionNorm : .feedForwardNorm }

    /// - Parameters:
    ///   - x: [N, C]
    ///   - y: [N, C], may be `x`; nil where only what the way back needs is made again.
    package func forward<Pass: BlockPass>(
        _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>?, _ memory: BlockMemory, _ pass: Pass
    ) where Pass.Linear == Linear {
        let input = normalized(x, by: wiring == .normedSum ? nil : attentionNorm, .attentionNorm, memory, pass)
        let rows = project(input, memory, pass)
        turn(rows, sign: 1, pass)
        pass.attend(attention, rows, sinks: sinks, into: memory.attended)
        // Of x, too, which the attention's output may replace.
        var innerInput = input
        if wiring == .parallel(sharesNorm: false) { innerInput = normalized(x, by: feedForwardNorm, .feedForwardNorm, memory, pass) }
        let close = BranchEnd(
            layer: outputLayer, norm: wiring == .normedSum ? attentionNorm : attentionPostNorm,
            role: wiring == .normedSum ? .attentionNorm : .attentionPostNorm, branch: memory.attentionBranch)
        add(close, of: memory.attended, to: wiring == .normedStream ? input : x, into: memory.middle, memory, pass)
        if !isParallel {
            innerInput = normalized(memory.middle, by: wiring == .normedSum ? nil : feedForwardNorm, .feedForwardNorm, memory, pass)
        }
        if let mixture = feedForward.mixture {
            return addMixture(
                mixture, of: innerInput, to: wiring == .normedStream ? innerInput : UnsafePointer(memory.middle), into: y, memory, pass)
        }
        pass.multiply(innerInput, by: innerLayers, of: self, into: innerLayers.count == 2 ? [memory.gate, memory.up] : [memory.gate])
        activate(memory, positions: pass.positionCount, pass.engine)
        let end = BranchEnd(
            layer: downLayer, norm: wiring == .normedSum ? feedForwardNorm : feedForwardPostNorm,
            role: wiring == .normedSum ? .feedForwardNorm : .feedForwardPostNorm, branch: memory.feedForwardBranch)
        add(end, of: memory.inner, to: wiring == .normedStream ? innerInput : UnsafePointer(memory.middle), into: y, memory, pass)
    }

    package var isParallel: Bool { if case .parallel = wiring { true } else { false } }

    /// norm(x) in `normed`, or x where there is none.
    private func normalized<Pass: BlockPass>(
        _ x: UnsafePointer<Float>, by norm: NormLayer?, _ role: TensorRole, _ memory: BlockMemory, _ pass: Pass
    ) -> UnsafePointer<Float> {
        guard let norm else { return x }
        norm.forward(x, rows: pass.positionCount, statistics: memory.statistics[role], into: memory.normed, pass.engine)
        return UnsafePointer(memory.normed)
    }

    /// y = residual + f after(experts of x).
    private func addMixture<Pass: BlockPass>(
        _ mixture: Mixture, of x: UnsafePointer<Float>, to residual: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>?,
        _ memory: BlockMemory, _ pass: Pass
    ) where Pass.Linear == Linear {
        precondition(wiring != .normedSum, "no family of mixtures normalizes sums")
        // Experts run again on the way back; only statistics of a norm behind them are wanted without y.
        guard y != nil || feedForwardPostNorm != nil else { return }
        let branch = memory.feedForwardBranch, n = pass.positionCount
        mix(x, into: branch, mixture, memory.mixture, pass)
        if let norm = feedForwardPostNorm {
            norm.forward(branch, rows: n, statistics: memory.statistics[.feedForwardPostNorm], into: memory.normed, pass.engine)
            if let y { add(memory.normed, to: residual, into: y, pass) }
        } else if let y {
            if branchFactor != 1 {
                pass.engine.pool.forTiles(of: n * width, size: Self.tile) { range in
                    qk_scale_at(pass.engine.level, branchFactor, range.count, branch + range.lowerBound)
                }
            }
            add(branch, to: residual, into: y, pass)
        }
    }

    // MARK: - Ends of branches

    /// The last layer of a branch, and the norm behind it.
    private struct BranchEnd {
        let layer: Int
        let norm: NormLayer?
        let role: TensorRole
        /// Where it is made before the norm.
        let branch: UnsafeMutablePointer<Float>
    }

    /// target = residual + f norm(W z), or norm(residual + W z).
    ///
    /// - Parameter target: may be the residual; nil where it is not wanted, but what the way back needs.
    private func add<Pass: BlockPass>(
        _ end: BranchEnd, of z: UnsafePointer<Float>, to residual: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>?,
        _ memory: BlockMemory, _ pass: Pass
    ) where Pass.Linear == Linear {
        let layers = end.layer..<end.layer + 1, n = pass.positionCount
        if wiring == .normedSum, let norm = end.norm {
            copy(residual, to: end.branch, pass)
            pass.add(z, by: end.layer, of: self, to: end.branch)
            norm.forward(end.branch, rows: n, statistics: memory.statistics[end.role], into: target ?? memory.normed, pass.engine)
        } else if let norm = end.norm {
            pass.multiply(z, by: layers, of: self, into: [end.branch])
            // Statistics are made of it even where the target is not wanted.
            norm.forward(end.branch, rows: n, statistics: memory.statistics[end.role], into: memory.normed, pass.engine)
            if let target { add(memory.normed, to: residual, into: target, pass) }
        } else if branchFactor != 1 {
            pass.multiply(z, by: layers, of: self, into: [end.branch])
            guard let target else { return }
            pass.engine.pool.forTiles(of: n * width, size: Self.tile) { range in
                qk_scale_at(pass.engine.level, branchFactor, range.count, end.branch + range.lowerBound)
            }
            add(end.branch, to: residual, into: target, pass)
        } else if let target {
            copy(residual, to: target, pass)
            pass.add(z, by: end.layer, of: self, to: target)
        } else if pass.keepsProduct(with: linearLayers[end.layer]) {
            pass.multiply(z, by: layers, of: self, into: [end.branch])
        }
    }

    /// target = residual + values.
    private func add<Pass: BlockPass>(
        _ values: UnsafePointer<Float>, to residual: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>, _ pass: Pass
    ) {
        copy(residual, to: target, pass)
        pass.engine.pool.forTiles(of: pass.positionCount * width, size: Self.tile) { range in
            qk_addToRows_at(pass.engine.level, values + range.lowerBound, 1, range.count, target + range.lowerBound)
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

extension TransformerBlock {
    /// Elements that a worker takes at a time.
    static var tile: Int { 1 << 14 }
}
