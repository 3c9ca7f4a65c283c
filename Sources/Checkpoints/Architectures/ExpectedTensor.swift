package import TensorCore

/// A tensor that a model must have: its module, its canonical name and its dense shape, as transformers stores it.
package struct ExpectedTensor: Sendable, Hashable {
    package enum Part: String, Sendable, Hashable {
        case weight, bias
    }

    package let key: ModuleKey
    package let part: Part
    package let name: String
    /// The path of its module: the name without its last part, or of a parameter that stands alone all of it.
    package let module: String
    /// Of a matrix two; of the matrices of all experts three, the experts first.
    package let dimensions: [Int]
    /// Which row it is of the weights of a norm that are stored in parts; nil for all of them, and of everything else.
    package let row: Int?
    /// How it lies when dense; quantized it is [out, in] in any case.
    package let orientation: Orientation

    package init(
        _ key: ModuleKey, _ part: Part, name: String, module: String? = nil, dimensions: [Int], row: Int? = nil,
        orientation: Orientation = .outputsByInputs
    ) {
        self.key = key
        self.row = row
        self.part = part
        self.name = name
        self.module = module ?? String(name.prefix(upTo: name.lastIndex(of: ".") ?? name.endIndex))
        self.dimensions = dimensions
        self.orientation = orientation
    }

    /// Of a matrix, or of each of several, whichever way it lies.
    package var sizes: (outputs: Int, inputs: Int) { orientation.sizes(of: Array(dimensions.suffix(2))) }

    /// Whether it is one of several that GGUF files have as one: of one expert, or a row of a norm.
    package var isPart: Bool { key.expert != nil || row != nil }

    /// Whether it is a matrix, or one for each expert.
    package var isMatrix: Bool { part == .weight && dimensions.count >= 2 && !key.role.isNorm }

    /// Whether it is the matrix of a linear layer of the layers, of no router and of no expert.
    package var isLinearWeight: Bool { isMatrix && key.layer != nil && !key.role.isOfRouter && !key.role.isOfExpert }
}

extension ModelDescription {
    package func name(_ role: TensorRole, layer: Int? = nil) -> String { spelling.module(ModuleKey(role, layer: layer)) }

    /// Every tensor of the model, in the order of the forward pass.
    package var expectedTensors: [ExpectedTensor] {
        var list = TensorList(spelling)
        list.addTable(.embedding, [vocabularySize, embeddingWidth])
        if embeddingWidth != width { list.addLinear(ModuleKey(.inputProjection), (embeddingWidth, width, false)) }
        if hasLearnedPositions { list.addTable(.positions, [contextLength + positionOffset, width]) }
        if let embeddingNorm { list.addNorm(ModuleKey(.embeddingNorm), width, embeddingNorm) }
        for (index, layer) in layers.enumerated() {
            for role in (layer.linearRoles + layer.normRoles).sorted() {
                let key = ModuleKey(role, layer: index)
                if layer.normRoles.contains(role) {
                    let (normWidth, rows, norm) = layer.norm(role, width: width)
                    let isInParts = layer.attention.headNormScope == .headsInParts && (role == .queryNorm || role == .keyNorm)
                    list.addNorm(key, rows: rows, isInParts: isInParts, normWidth, norm)
                } else {
                    list.addLinear(key, layer.linear(role, width: width))
                }
            }
            if layer.attention.hasSinks { list.addVector(ModuleKey(.sinks, layer: index), layer.attention.headCount) }
            if let mixture = layer.feedForward.mixture { list.addExperts(of: layer, index, mixture, width: width) }
        }
        list.addNorm(ModuleKey(.finalNorm), width, finalNorm)
        if embeddingWidth != width { list.addLinear(ModuleKey(.outputProjection), (width, embeddingWidth, false)) }
        if !head.isTied { list.addTable(.head, [vocabularySize, embeddingWidth]) }
        if head.hasBias { list.addBias(.head, vocabularySize) }
        return list.tensors
    }

    /// Weights of the linear layers of all layers, in order: every matrix but embeddings, head, routers and experts.
    package var linearWeights: [ExpectedTensor] {
        expectedTensors.filter(\.isLinearWeight)
    }

    /// Weights of the experts of all layers, in order: a matrix for each expert, or for all of a layer in one tensor.
    package var expertWeights: [ExpectedTensor] { expectedTensors.filter { $0.isMatrix && $0.key.role.isOfExpert } }
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
                key, part, name: spelling.tensor(key, part), module: spelling.module(key), dimensions: dimensions,
                orientation: orientation))
    }

    mutating func addTable(_ role: TensorRole, _ dimensions: [Int]) { add(ModuleKey(role), .weight, dimensions) }

    mutating func addVector(_ key: ModuleKey, _ count: Int) { add(key, .weight, [count]) }

    mutating func addBias(_ role: TensorRole, _ width: Int) { add(ModuleKey(role), .bias, [width]) }

    mutating func addNorm(_ key: ModuleKey, rows: Int = 1, isInParts: Bool = false, _ width: Int, _ norm: Norm) {
        guard !isInParts else {
            for row in 0..<rows {
                let name = "\(spelling.part(row, of: key)).\(ExpectedTensor.Part.weight.rawValue)"
                tensors.append(ExpectedTensor(key, .weight, name: name, dimensions: [width], row: row))
            }
            return
        }
        let dimensions = rows == 1 ? [width] : [rows, width]
        if norm.hasWeight { add(key, .weight, dimensions) }
        if norm.hasBias { add(key, .bias, dimensions) }
    }

    mutating func addLinear(_ key: ModuleKey, _ linear: (inputs: Int, outputs: Int, hasBias: Bool)) {
        let orientation: Orientation = spelling.hasConv1D ? .inputsByOutputs : .outputsByInputs
        add(key, .weight, orientation.turned([linear.outputs, linear.inputs]), orientation)
        if linear.hasBias { add(key, .bias, [linear.outputs]) }
    }

    /// Expert by expert, or all of them at once.
    mutating func addExperts(of layer: LayerDescription, _ index: Int, _ mixture: Mixture, width: Int) {
        switch mixture.storage {
        case .separate:
            for expert in 0..<mixture.expertCount {
                for role in mixture.expertRoles {
                    addLinear(ModuleKey(role, layer: index, expert: expert), layer.linear(role, width: width))
                }
            }
        case .stacked(let orientation, _):
            for role in mixture.expertRoles {
                let key = ModuleKey(role, layer: index), linear = layer.linear(role, width: width)
                add(key, .weight, [mixture.expertCount] + orientation.turned([linear.outputs, linear.inputs]), orientation)
                if linear.hasBias { add(key, .bias, [mixture.expertCount, linear.outputs]) }
            }
        }
    }
}
