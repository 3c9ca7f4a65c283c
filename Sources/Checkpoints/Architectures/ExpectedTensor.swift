/// A tensor that a model must have: its module, its canonical name and its dense shape, as transformers stores it.
package struct ExpectedTensor: Sendable, Hashable {
    package enum Part: String, Sendable, Hashable {
        case weight, bias
    }

    package let key: ModuleKey
    package let part: Part
    package let name: String
    package let dimensions: [Int]
    /// Lies as [in, out] when dense (GPT-2's `Conv1D`), quantized as [out, in] in any case.
    package let isConv1D: Bool

    package init(_ key: ModuleKey, _ part: Part, name: String, dimensions: [Int], isConv1D: Bool = false) {
        self.key = key
        self.part = part
        self.name = name
        self.dimensions = dimensions
        self.isConv1D = isConv1D
    }

    /// Of a matrix, whichever way it lies.
    package var sizes: (inputs: Int, outputs: Int) {
        isConv1D ? (dimensions[0], dimensions[1]) : (dimensions[1], dimensions[0])
    }

    /// The path of its module: the name without its last part.
    package var module: String { String(name.prefix(upTo: name.lastIndex(of: ".") ?? name.endIndex)) }
}

extension ModelDescription {
    package var spelling: Spelling { architecture.spelling }

    package func name(_ role: TensorRole, layer: Int? = nil) -> String { spelling.module(ModuleKey(role, layer: layer)) }

    /// Every tensor of the model, in the order of the forward pass.
    package var expectedTensors: [ExpectedTensor] {
        var list = TensorList(spelling)
        list.addTable(.embedding, [vocabularySize, width])
        if hasLearnedPositions { list.addTable(.positions, [contextLength, width]) }
        for (index, layer) in layers.enumerated() {
            for role in (layer.linearRoles + layer.normRoles).sorted() {
                let key = ModuleKey(role, layer: index)
                if layer.normRoles.contains(role) {
                    let (normWidth, norm) = layer.norm(role, width: width)
                    list.addNorm(key, normWidth, norm)
                } else {
                    list.addLinear(key, layer.linear(role, width: width))
                }
            }
        }
        list.addNorm(ModuleKey(.finalNorm), width, finalNorm)
        if !head.isTied { list.addTable(.head, [vocabularySize, width]) }
        return list.tensors
    }

    /// Weights of the linear layers of all layers, in order: every matrix but embeddings and head.
    package var linearWeights: [ExpectedTensor] { expectedTensors.filter { $0.dimensions.count == 2 && $0.key.layer != nil } }
}

private struct TensorList {
    private let spelling: Spelling
    private(set) var tensors: [ExpectedTensor] = []

    init(_ spelling: Spelling) { self.spelling = spelling }

    private mutating func add(_ key: ModuleKey, _ part: ExpectedTensor.Part, _ dimensions: [Int], isConv1D: Bool = false) {
        tensors.append(
            ExpectedTensor(
                key, part, name: "\(spelling.module(key)).\(part.rawValue)", dimensions: dimensions, isConv1D: isConv1D))
    }

    mutating func addTable(_ role: TensorRole, _ dimensions: [Int]) { add(ModuleKey(role), .weight, dimensions) }

    mutating func addNorm(_ key: ModuleKey, _ width: Int, _ norm: Norm) {
        add(key, .weight, [width])
        if norm.hasBias { add(key, .bias, [width]) }
    }

    mutating func addLinear(_ key: ModuleKey, _ linear: (inputs: Int, outputs: Int, hasBias: Bool)) {
        let (inputs, outputs) = (linear.inputs, linear.outputs)
        add(key, .weight, spelling.hasConv1D ? [inputs, outputs] : [outputs, inputs], isConv1D: spelling.hasConv1D)
        if linear.hasBias { add(key, .bias, [outputs]) }
    }
}
