package import TensorCore

/// A tensor that a model must have: its module, its canonical name and its dense shape, as transformers stores it.
package struct ExpectedTensor: Sendable, Hashable {
    package enum Part: String, Sendable, Hashable {
        case weight, bias
    }

    package let key: ModuleKey
    package let part: Part
    package let name: String
    package let dimensions: [Int]
    /// How it lies when dense; quantized it is [out, in] in any case.
    package let orientation: Orientation

    package init(_ key: ModuleKey, _ part: Part, name: String, dimensions: [Int], orientation: Orientation = .outputsByInputs) {
        self.key = key
        self.part = part
        self.name = name
        self.dimensions = dimensions
        self.orientation = orientation
    }

    /// Of a matrix, whichever way it lies.
    package var sizes: (outputs: Int, inputs: Int) { orientation.sizes(of: dimensions) }

    /// The path of its module: the name without its last part.
    package var module: String { String(name.prefix(upTo: name.lastIndex(of: ".") ?? name.endIndex)) }

    /// Whether it is the matrix of a linear layer of the layers.
    package var isLinearWeight: Bool { part == .weight && key.layer != nil && !key.role.isNorm }
}

extension ModelDescription {
    package func name(_ role: TensorRole, layer: Int? = nil) -> String { spelling.module(ModuleKey(role, layer: layer)) }

    /// Every tensor of the model, in the order of the forward pass.
    package var expectedTensors: [ExpectedTensor] {
        var list = TensorList(spelling)
        list.addTable(.embedding, [vocabularySize, width])
        if hasLearnedPositions { list.addTable(.positions, [contextLength + positionOffset, width]) }
        if let embeddingNorm { list.addNorm(ModuleKey(.embeddingNorm), width, embeddingNorm) }
        for (index, layer) in layers.enumerated() {
            for role in (layer.linearRoles + layer.normRoles).sorted() {
                let key = ModuleKey(role, layer: index)
                if layer.normRoles.contains(role) {
                    let (normWidth, rows, norm) = layer.norm(role, width: width)
                    list.addNorm(key, rows: rows, normWidth, norm)
                } else {
                    list.addLinear(key, layer.linear(role, width: width))
                }
            }
        }
        list.addNorm(ModuleKey(.finalNorm), width, finalNorm)
        if !head.isTied { list.addTable(.head, [vocabularySize, width]) }
        if head.hasBias { list.addBias(.head, vocabularySize) }
        return list.tensors
    }

    /// Weights of the linear layers of all layers, in order: every matrix but embeddings and head.
    package var linearWeights: [ExpectedTensor] { expectedTensors.filter(\.isLinearWeight) }
}

private struct TensorList {
    private let spelling: Spelling
    private(set) var tensors: [ExpectedTensor] = []

    init(_ spelling: Spelling) { self.spelling = spelling }

    private mutating func add(
        _ key: ModuleKey, _ part: ExpectedTensor.Part, _ dimensions: [Int], _ orientation: Orientation = .outputsByInputs
    ) {
        tensors.append(
            ExpectedTensor(
                key, part, name: "\(spelling.module(key)).\(part.rawValue)", dimensions: dimensions, orientation: orientation))
    }

    mutating func addTable(_ role: TensorRole, _ dimensions: [Int]) { add(ModuleKey(role), .weight, dimensions) }

    mutating func addBias(_ role: TensorRole, _ width: Int) { add(ModuleKey(role), .bias, [width]) }

    mutating func addNorm(_ key: ModuleKey, rows: Int = 1, _ width: Int, _ norm: Norm) {
        let dimensions = rows == 1 ? [width] : [rows, width]
        if norm.hasWeight { add(key, .weight, dimensions) }
        if norm.hasBias { add(key, .bias, dimensions) }
    }

    mutating func addLinear(_ key: ModuleKey, _ linear: (inputs: Int, outputs: Int, hasBias: Bool)) {
        let orientation: Orientation = spelling.hasConv1D ? .inputsByOutputs : .outputsByInputs
        add(key, .weight, orientation.turned([linear.outputs, linear.inputs]), orientation)
        if linear.hasBias { add(key, .bias, [linear.outputs]) }
    }
}
