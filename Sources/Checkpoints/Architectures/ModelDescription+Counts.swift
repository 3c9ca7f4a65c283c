extension ModelDescription {
    /// Elements of all weights; nil where no machine could count them.
    package var parameterCount: Int? { Self.total(expectedTensors.map(\.dimensions)) }

    /// Those that the token of one position takes part with: of a mixture, of the experts that it asks alone.
    package var activeParameterCount: Int? {
        Self.total(
            expectedTensors.map { tensor in
                guard tensor.key.role.isOfExpert, let mixture = tensor.key.layer.flatMap({ layers[$0].feedForward.mixture }) else {
                    return tensor.dimensions
                }
                // One tensor has all experts, or each of them has its own: the first ones stand for those that are asked.
                guard let expert = tensor.key.expert else { return [mixture.chosenCount] + tensor.dimensions.dropFirst() }
                return expert < mixture.chosenCount ? tensor.dimensions : [0]
            })
    }

    /// Elements of keys and values of a sequence of so many positions: in layers that slide or see chunks those that a query sees at
    /// most; nil where no machine could count them.
    package func keyValueCount(positions: Int) -> Int? {
        Self.total(
            layers.map { layer in
                [2, layer.attention.keyValueWidth, min(positions, layer.attention.reach ?? positions)]
            })
    }

    /// Layers that are described alike, in the order of their first ones.
    package var layerKinds: [(layers: [Int], description: LayerDescription)] {
        var kinds: [(layers: [Int], description: LayerDescription)] = [], places: [LayerDescription: Int] = [:]
        for (number, layer) in layers.enumerated() {
            if let place = places[layer] {
                kinds[place].layers.append(number)
            } else {
                places[layer] = kinds.count
                kinds.append(([number], layer))
            }
        }
        return kinds
    }

    private static func total(_ shapes: [[Int]]) -> Int? {
        var sum = 0
        for shape in shapes {
            var count = 1
            for dimension in shape {
                let (product, overflows) = count.multipliedReportingOverflow(by: dimension)
                guard !overflows else { return nil }
                count = product
            }
            let (next, overflows) = sum.addingReportingOverflow(count)
            guard !overflows else { return nil }
            sum = next
        }
        return sum
    }
}
