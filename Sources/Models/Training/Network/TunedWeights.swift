import Architectures
package import Transformer

extension TrainableModel {
    /// The weights of `base` with what training has made of them so far, to generate text with.
    ///
    /// Factors of adapters are copied; weights that are trained as a whole are used in place and go on changing.
    package func tunedWeights(of base: ModelWeights) -> ModelWeights {
        var weights = base
        switch tuning {
        case .lowRank(let settings, _):
            weights.forEachLinearLayer { layer in
                guard let a = slot(LowRankFactor(module: layer.name, kind: .a).name),
                    let b = slot(LowRankFactor(module: layer.name, kind: .b).name)
                else { return }
                let scaling = Float(settings.scaling)
                layer.updates.append(
                    LowRankFactors(rank: settings.rank, a: parameters.array(a), b: parameters.array(b).map { $0 * scaling }))
            }
        case .full:
            weights.forEachLinearLayer { layer in
                if let matrix = trainedMatrix(layer.name + ".weight") { layer.matrix = matrix }
                if let bias = slot(layer.name + ".bias") { layer.bias = parameters.array(bias) }
            }
            weights.forEachNorm { norm in
                if let weight = slot(norm.name + ".weight") { norm.weight = parameters.array(weight) }
                if let bias = slot(norm.name + ".bias") { norm.bias = parameters.array(bias) }
            }
            if let matrix = trainedMatrix(weights.embedding.name + ".weight") {
                weights.embedding.matrix = matrix
                if configuration.head.isTied { weights.head.matrix = matrix }
            }
            if let name = weights.positions?.name, let matrix = trainedMatrix(name + ".weight") { weights.positions?.matrix = matrix }
        }
        return weights
    }

    private func slot(_ name: String) -> Int? { parameters.slots.firstIndex { $0.name == name } }

    private func trainedMatrix(_ name: String) -> WeightMatrix? {
        guard let slot = slot(name), let tensor = configuration.expectedTensors.first(where: { $0.name == name }) else { return nil }
        return DenseWeight(parameters, slot: slot, of: tensor).matrix
    }
}
