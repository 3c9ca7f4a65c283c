package import Architectures
import CKernels
import Parallelism

extension TransformerBlock {
    // Numbers of the linear layers of a mixture that are no expert's.
    package var routerLayer: Int { outputLayer + 1 }
    package var sharedInnerLayers: Range<Int> { routerLayer + 1..<sharedDownLayer }
    package var sharedDownLayer: Int { routerLayer + (feedForward.mixture?.shared?.isFused == true ? 2 : 3) }
    package var sharedWeightLayer: Int { sharedDownLayer + 1 }

    // Numbers of the layers of one expert.
    package var expertInnerLayers: Range<Int> { 0..<expertDownLayer }
    package var expertDownLayer: Int { feedForward.mixture?.storage == .separate ? 2 : 1 }

    /// Between the layers of an expert.
    package var expertGate: GatedRows {
        let alternates = feedForward.mixture?.alternates == true
        let layout: GatedRows.Layout = expertInnerLayers.count == 2 ? .apart : alternates ? .alternating : .beside
        return GatedRows(layout, feedForward.activation, clamp: feedForward.clamp, width: feedForward.innerWidth)
    }

    /// Between the layers of a shared expert.
    package func sharedGate(_ shared: Mixture.Shared) -> GatedRows {
        GatedRows(shared.isFused ? .beside : .apart, feedForward.activation, clamp: nil, width: shared.innerWidth)
    }

    /// What the experts give.
    ///
    /// An expert sees the rows of all positions that ask it at once, so that its weights are read once; what a position is given is
    /// added in the order of the experts, whichever other positions there are.
    ///
    /// - Parameters:
    ///   - x: [N, C], of the norm.
    ///   - y: [N, C], written.
    package func mix<Pass: BlockPass>(
        _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, _ mixture: Mixture, _ memory: MixtureMemory, _ pass: Pass
    ) where Pass.Linear == Linear {
        let routing = route(x, mixture, memory, pass)
        pass.engine.pool.forTiles(of: pass.positionCount * width, size: Self.tile) { range in
            (y + range.lowerBound).update(repeating: 0, count: range.count)
        }
        for group in routing.groups {
            expert(group, x, mixture, memory, pass)
            let scales = mixture.weighting == .sigmoidOfInput ? nil : group.weights
            scatter(memory.output, group.positions, scales, addingTo: y, pass.engine)
        }
        guard let shared = mixture.shared else { return }
        self.shared(shared, x, memory, pass)
        let all = (0..<Int32(pass.positionCount)).map { $0 }
        scatter(memory.output, all, shared.isWeighted ? sharedWeights(x, memory, pass) : nil, addingTo: y, pass.engine)
    }

    package func route<Pass: BlockPass>(
        _ x: UnsafePointer<Float>, _ mixture: Mixture, _ memory: MixtureMemory, _ pass: Pass
    ) -> Routing where Pass.Linear == Linear {
        pass.score(x, by: routerLayer, of: self, into: memory.scores)
        return Routing(memory.scores, positions: pass.positionCount, mixture)
    }

    /// `memory.output` of the rows of a group; `input`, `gateUp` and `inner` are what it was made of.
    package func expert<Pass: BlockPass>(
        _ group: Routing.Group, _ x: UnsafePointer<Float>, _ mixture: Mixture, _ memory: MixtureMemory, _ pass: Pass
    ) where Pass.Linear == Linear {
        let rows = group.positions.count, gate = expertGate
        gather(x, group.positions, mixture.weighting == .sigmoidOfInput ? group.weights : nil, into: memory.input, pass.engine)
        pass.multiply(
            memory.input, rows: rows, by: expertInnerLayers, ofExpert: group.expert, of: self,
            into: gate.layout == .apart ? [memory.gateUp, memory.gateUp + rows * gate.width] : [memory.gateUp])
        gate.forward(memory.gateUp, rows: rows, into: memory.inner, pass.engine)
        pass.multiply(
            memory.inner, rows: rows, by: expertDownLayer..<expertDownLayer + 1, ofExpert: group.expert, of: self, into: [memory.output])
    }

    /// `memory.output` of the shared expert, before it is weighted.
    package func shared<Pass: BlockPass>(
        _ shared: Mixture.Shared, _ x: UnsafePointer<Float>, _ memory: MixtureMemory, _ pass: Pass
    ) where Pass.Linear == Linear {
        let gate = sharedGate(shared), n = pass.positionCount
        pass.multiply(
            x, by: sharedInnerLayers, of: self,
            into: gate.layout == .apart ? [memory.gateUp, memory.gateUp + n * gate.width] : [memory.gateUp])
        gate.forward(memory.gateUp, rows: n, into: memory.inner, pass.engine)
        pass.multiply(memory.inner, by: sharedDownLayer..<sharedDownLayer + 1, of: self, into: [memory.output])
    }

    /// sigmoid(ws . x) of each position.
    package func sharedWeights<Pass: BlockPass>(
        _ x: UnsafePointer<Float>, _ memory: MixtureMemory, _ pass: Pass
    ) -> [Float] where Pass.Linear == Linear {
        pass.score(x, by: sharedWeightLayer, of: self, into: memory.scores)
        return (0..<pass.positionCount).map { Routing.sigmoid(memory.scores[$0]) }
    }

    /// Rows of x, each times its scale.
    package func gather(
        _ x: UnsafePointer<Float>, _ positions: [Int32], _ scales: [Float]?, into rows: UnsafeMutablePointer<Float>, _ engine: MatrixEngine
    ) {
        engine.pool.forTiles(of: positions.count, size: max(1, Self.tile / width)) { range in
            for row in range {
                let source = x + Int(positions[row]) * width, target = rows + row * width
                target.update(from: source, count: width)
                if let scale = scales?[row] { qk_scale_at(engine.level, scale, width, target) }
            }
        }
    }

    /// y += rows, each times its scale, where they came from.
    package func scatter(
        _ rows: UnsafePointer<Float>, _ positions: [Int32], _ scales: [Float]?, addingTo y: UnsafeMutablePointer<Float>,
        _ engine: MatrixEngine
    ) {
        engine.pool.forTiles(of: positions.count, size: max(1, Self.tile / width)) { range in
            for row in range {
                let source = rows + row * width, target = y + Int(positions[row]) * width
                let scale = scales?[row] ?? 1
                for i in 0..<width { target[i] += scale * source[i] }
            }
        }
    }
}
