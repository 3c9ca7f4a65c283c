import TensorCore

/// One half of the rows of the matrices that make gates and ups of all experts of a layer: GGUF files have a tensor for each half.
///
///     in turn    g0 u0 g1 u1 ...        2 I rows of each expert
///     else       g0 g1 ...  u0 u1 ...
package struct StackHalf: Sendable, Hashable {
    /// Of ups; else of gates.
    package let isOfUps: Bool
    /// Whether gates and ups stand in turn.
    package let alternates: Bool

    package init(isOfUps: Bool, alternates: Bool) {
        self.isOfUps = isOfUps
        self.alternates = alternates
    }

    /// Where rows of this half stand among all: the first, and how far one is from the next.
    ///
    /// - Parameters:
    ///   - row: of this half, counted over all experts.
    ///   - rowCount: I, rows of each expert in this half.
    package func place(ofRow row: Int, rowCount: Int) -> (first: Int, step: Int) {
        let (expert, own) = row.quotientAndRemainder(dividingBy: rowCount)
        let start = expert * 2 * rowCount
        return alternates ? (start + 2 * own + (isOfUps ? 1 : 0), 2) : (start + (isOfUps ? rowCount : 0) + own, 1)
    }
}

/// A tensor of the GGUF file of a model.
package struct GGUFModelTensor: Sendable, Hashable {
    package let name: String
    /// One; of experts the tensors of all of a layer, and of norms in parts all rows, in their order.
    package let parts: [ExpectedTensor]
    /// Which half of the one it is; nil of all of it.
    package let half: StackHalf?

    /// As it lies in the file: [out, in] of matrices, whichever way they lie elsewhere.
    package var dimensions: [Int] {
        var own = parts[0].orientation.turned(parts[0].dimensions)
        if half != nil { own[1] /= 2 }
        return (parts[0].isPart ? [parts.count] : []) + own
    }
}

extension ModelDescription {
    /// The tensors of a GGUF file of this model, in the order of the first ones of what they are made of.
    ///
    /// - Precondition: the family is one that GGUF files have.
    package var tensorsInGGUF: [GGUFModelTensor] {
        groupedTensors.flatMap { parts in
            let key = parts[0].key, part = parts[0].part
            guard key.role == .expertGateUp, let mixture = key.layer.flatMap({ layers[$0].feedForward.mixture }) else {
                return [GGUFModelTensor(name: nameInGGUF(key, part), parts: parts, half: nil)]
            }
            return [TensorRole.expertGate, .expertUp].map { role in
                GGUFModelTensor(
                    name: nameInGGUF(ModuleKey(role, layer: key.layer), part), parts: parts,
                    half: StackHalf(isOfUps: role == .expertUp, alternates: mixture.alternates))
            }
        }
    }

    /// What a GGUF file has in one place: of experts the tensors of all of a layer, of norms in parts all rows, in their order; else one
    /// alone. In the order of the first ones.
    private var groupedTensors: [[ExpectedTensor]] {
        var groups: [[ExpectedTensor]] = []
        var places: [ModuleKey: Int] = [:]
        for tensor in expectedTensors {
            guard let layer = tensor.key.layer, let number = tensor.key.expert ?? tensor.row else {
                groups.append([tensor])
                continue
            }
            let key = ModuleKey(tensor.key.role, layer: layer)
            if number == 0 { places[key] = groups.count }
            if let place = places[key], number > 0 { groups[place].append(tensor) } else { groups.append([tensor]) }
        }
        return groups
    }
}
