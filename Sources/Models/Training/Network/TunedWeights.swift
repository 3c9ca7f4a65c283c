import Architectures
package import Transformer

extension TrainableModel {
    /// The weights of `base` with what training has made of them so far, to generate text with.
    ///
    /// Factors of adapters are copied; weights that are trained as a whole, and constants, are used in place and go on changing.
    package func tunedWeights(of base: ModelWeights) -> ModelWeights {
        var weights = base
        let slots = Dictionary(parameters.slots.enumerated().map { ($1.name, $0) }) { first, _ in first }
        switch tuning {
        case .lowRank(let settings, _):
            weights.forEachLinearLayer { layer in
                guard let (a, b) = places[layer.name]?.values(parameters) else { return }
                let scaling = Float(settings.scaling)
                layer.updates.append(LowRankFactors(rank: settings.rank, a: a, b: b.map { $0 * scaling }))
            }
        case .full: takeTrained(slots, into: &weights)
        case .constants:
            takeTrained(slots, into: &weights)
            weights.forEachLinearLayer { layer in
                guard let scaled = scaledWeights[layer.name] else { return }
                scaled.refresh()
                layer.matrix = scaled.matrix
            }
        }
        return weights
    }

    private func takeTrained(_ slots: [String: Int], into weights: inout ModelWeights) {
        let tensors = Dictionary(configuration.expectedTensors.map { (TensorKey($0.module, $0.part), $0) }) { first, _ in first }
        /// Where the elements of a module are; of a module of all experts, those of its expert.
        func place(_ module: String, _ part: ExpectedTensor.Part) -> (slot: Int, tensor: ExpectedTensor, number: Int)? {
            if let tensor = tensors[TensorKey(module, part)], let slot = slots[tensor.name] { return (slot, tensor, 0) }
            guard let dot = module.lastIndex(of: "."), let number = Int(module[module.index(after: dot)...]),
                let tensor = tensors[TensorKey(String(module[..<dot]), part)], let slot = slots[tensor.name]
            else { return nil }
            return (slot, tensor, number)
        }
        func matrix(_ module: String) -> WeightMatrix? {
            place(module, .weight).map { DenseWeight(parameters, slot: $0.slot, of: $0.tensor, number: $0.number).matrix }
        }
        func vector(_ module: String, _ part: ExpectedTensor.Part) -> [Float]? {
            place(module, part).map { place in
                let all = parameters.array(place.slot), count = place.tensor.dimensions.last ?? 0
                return place.tensor.dimensions.count == 1 ? all : Array(all[place.number * count..<(place.number + 1) * count])
            }
        }
        weights.forEachLinearLayer { layer in
            if let matrix = matrix(layer.name) { layer.matrix = matrix }
            if let bias = vector(layer.name, .bias) { layer.bias = bias }
        }
        weights.forEachNorm { norm in
            if let weight = vector(norm.name, .weight) { norm.weight = weight }
            var parts: [Float] = [], row = 0
            while let part = vector(Spelling.part(row, of: norm.name), .weight) {
                parts += part
                row += 1
            }
            if row > 0 { norm.weight = parts }
            if let bias = vector(norm.name, .bias) { norm.bias = bias }
        }
        for layer in weights.layers.indices where configuration.layers[layer].attention.hasSinks {
            if let sinks = vector(configuration.name(.sinks, layer: layer), .weight) { weights.layers[layer].sinks = sinks }
        }
        if let matrix = matrix(weights.embedding.name) {
            weights.embedding.matrix = matrix
            if configuration.head.isTied { weights.head.matrix = matrix }
        }
        if let name = weights.positions?.name, let matrix = matrix(name) { weights.positions?.matrix = matrix }
    }
}

private struct TensorKey: Hashable {
    let module: String
    let part: ExpectedTensor.Part

    init(_ module: String, _ part: ExpectedTensor.Part) {
        self.module = module
        self.part = part
    }
}
