import Architectures
import Transformer

/// The way back through the experts of a layer. Nothing of them is kept: each runs again, on the rows that asked it.
///
///     y = sum of p_e expert_e(x)       dp_e = dy . expert_e(x)       dexpert_e = p_e dy       dx += back through expert_e
struct MixtureBackward {
    let block: TransformerBlock<TunableLinear>
    let mixture: Mixture
    let pass: TrainingPass

    private var memory: MixtureMemory { pass.scratch.mixture }
    private var gradients: BlockScratch.MixtureGradients { pass.scratch.mixtureGradients }
    private var width: Int { block.width }

    /// - Parameters:
    ///   - dy: [N, C]
    ///   - x: [N, C], what the experts were given.
    ///   - dx: [N, C], written.
    func run(_ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>) {
        let n = pass.positionCount, expertCount = mixture.expertCount
        dx.update(repeating: 0, count: n * width)
        if let shared = mixture.shared { backward(shared, dy, x: x, into: dx) }
        let routing = block.route(x, mixture, memory, pass)
        gradients.scores.update(repeating: 0, count: n * expertCount)
        for group in routing.groups {
            let dweights = backward(group, dy, x: x, into: dx)
            for (row, position) in group.positions.enumerated() {
                gradients.scores[Int(position) * expertCount + group.expert] = dweights[row]
            }
        }
        for position in 0..<n { backwardWeights(routing, position) }
        pass.context.balance?.addGradient(memory.scores, positions: n, mixture, to: gradients.scores)
        backward(block.linearLayers[block.routerLayer], number: block.routerLayer, gradients.scores, x: x, into: dx)
    }

    /// - Returns: gradients of the weights of the group's positions.
    private func backward(
        _ group: Routing.Group, _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>
    ) -> [Float] {
        let rows = group.positions.count, layers = block.experts[group.expert], gate = block.expertGate
        let weighsInput = mixture.weighting == .sigmoidOfInput
        block.expert(group, x, mixture, memory, pass)
        block.gather(dy, group.positions, nil, into: gradients.output, pass.engine)
        var dweights = products(gradients.output, memory.output, rows: rows)
        if !weighsInput { scale(gradients.output, by: group.weights) }
        let down = block.expertDownLayer
        backward(layers[down], number: down, gradients.output, x: memory.inner, into: gradients.inner, rows)
        gate.backward(gradients.inner, rows: rows, memory.gateUp, pass.engine)
        // What the expert gave is not needed any more: its place takes the gradient of what it was given.
        for layer in block.expertInnerLayers {
            let start = gate.layout == .apart ? layer * rows * gate.width : 0
            backward(layers[layer], number: layer, memory.gateUp + start, x: memory.input, into: memory.output, adds: layer > 0, rows)
        }
        if weighsInput {
            block.gather(x, group.positions, nil, into: memory.input, pass.engine)
            dweights = products(memory.output, memory.input, rows: rows)
        }
        block.scatter(memory.output, group.positions, weighsInput ? group.weights : nil, addingTo: dx, pass.engine)
        return dweights
    }

    /// Through a layer of an expert.
    private func backward(
        _ layer: TunableLinear, number: Int, _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>,
        into dx: UnsafeMutablePointer<Float>, adds: Bool = false, _ rows: Int
    ) {
        layer.backward(
            dy, x: x, rows: rows, u: pass.scratch.expertUpdates[number], into: dx, accumulates: adds, scratch: pass.scratch, pass.context)
    }

    /// Through a layer of all positions, to what is there.
    private func backward(
        _ layer: TunableLinear, number: Int, _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>,
        adds: Bool = true
    ) {
        layer.backward(
            dy, x: x, rows: pass.positionCount, u: pass.kept.updates[number], into: dx, accumulates: adds, scratch: pass.scratch,
            pass.context)
    }

    private func backward(
        _ shared: Mixture.Shared, _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>
    ) {
        let n = pass.positionCount, gate = block.sharedGate(shared), layers = block.linearLayers
        block.shared(shared, x, memory, pass)
        gradients.output.update(from: dy, count: n * width)
        if shared.isWeighted {
            let weights = block.sharedWeights(x, memory, pass)
            let dweights = products(gradients.output, memory.output, rows: n)
            scale(gradients.output, by: weights)
            for position in 0..<n { memory.scores[position] = dweights[position] * weights[position] * (1 - weights[position]) }
            backward(layers[block.sharedWeightLayer], number: block.sharedWeightLayer, memory.scores, x: x, into: dx)
        }
        let down = block.sharedDownLayer
        backward(layers[down], number: down, gradients.output, x: memory.inner, into: gradients.inner, adds: false)
        gate.backward(gradients.inner, rows: n, memory.gateUp, pass.engine)
        for layer in block.sharedInnerLayers {
            let start = gate.layout == .apart ? (layer - block.sharedInnerLayers.lowerBound) * n * gate.width : 0
            backward(layers[layer], number: layer, memory.gateUp + start, x: x, into: dx)
        }
    }

    /// Gradients of a position's weights become those of its scores.
    private func backwardWeights(_ routing: Routing, _ position: Int) {
        let count = mixture.expertCount, d = gradients.scores + position * count, z = memory.scores + position * count
        var choice = Routing.Choice(mixture)
        choice.choose(z)
        let chosen = zip(choice.experts, choice.weights)
        switch mixture.weighting {
        case .sigmoidOfInput: for (expert, weight) in chosen { d[expert] *= weight * (1 - weight) }
        case .softmaxOfChosen, .softmaxOfAll(sumsToOne: true):
            // Divided by the sum of the chosen, all powers but theirs cancel.
            let mean = chosen.reduce(Float(0)) { $0 + $1.1 * d[$1.0] }
            for (expert, weight) in chosen { d[expert] = weight * (d[expert] - mean) }
        case .softmaxOfAll(sumsToOne: false):
            let mean = chosen.reduce(Float(0)) { $0 + $1.1 * d[$1.0] }
            let probabilities = choice.probabilities(z)
            for expert in 0..<count { d[expert] = probabilities[expert] * (d[expert] - mean) }
        }
    }

    // MARK: - Rows

    private func products(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, rows: Int) -> [Float] {
        (0..<rows).map { row in
            let x = a + row * width, y = b + row * width
            var sum = 0.0
            for i in 0..<width { sum += Double(x[i]) * Double(y[i]) }
            return Float(sum)
        }
    }

    private func scale(_ rows: UnsafeMutablePointer<Float>, by scales: [Float]) {
        for (row, scale) in scales.enumerated() {
            for i in row * width..<(row + 1) * width { rows[i] *= scale }
        }
    }
}
