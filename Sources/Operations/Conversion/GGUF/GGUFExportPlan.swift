package import Architectures
package import ByteIO
package import Checkpoints
package import GGUFFormat
import Quantization
import Streaming
package import TensorCore

/// What an export to a GGUF file will write, before anything is read or written.
package struct GGUFExportPlan: Sendable {
    /// What becomes of the values of a tensor on the way, besides their type.
    package enum Change: Sendable, Hashable {
        case none
        /// Rows of each head of so many go to pairs: row j to 2j, row j + D / 2 to 2j + 1.
        case paired(headWidth: Int)
        /// The factor of the norm is w + 1, and that is what is stored.
        case plusOne
    }

    package struct Output: Sendable {
        /// In the file.
        package let name: String
        /// Of the elements: [out, in] of a matrix, whichever way the source has it.
        package let shape: Shape
        package let storage: GGUFStorage
        let change: Change
        /// One; of the experts of a layer one for each, all of one shape; none of factors of frequencies, which no tensor of the source holds.
        let tensors: [LogicalTensor]
        let values: [Float]
        /// How much errors of each column count, a row for each of the tensors; nil where nothing is known of that.
        let importance: [Float]?

        /// Elements of each of the tensors.
        var partElementCount: Int { shape.elementCount / max(1, tensors.count) }

        /// As the file describes it.
        var planned: GGUFPlannedTensor { GGUFPlannedTensor(name: name, type: storage.type, shape: shape) }
    }

    package let checkpoint: Checkpoint
    package let mixture: GGUFMixture
    package let outputs: [Output]
    package let description: ModelDescription

    /// - Parameters:
    ///   - description: what `describedModel` gives.
    ///   - frequencyFactors: by which the frequencies of rotation are divided, where config.json says so in another way.
    ///   - importance: how large the inputs of weights are.
    /// - Throws: where the model is of no family that GGUF files have, where its tensors are not those of config.json, and where it holds
    ///   others, which would be lost.
    package init(
        _ checkpoint: Checkpoint, _ description: ModelDescription, _ mixture: GGUFMixture, frequencyFactors: [Float]?,
        importance: ImportanceFile? = nil
    ) throws(FileError) {
        var mixture = mixture
        mixture.hasImportance = importance != nil
        guard let spelling = description.architecture.gguf else {
            throw FileError(
                checkpoint.path, "is a \(description.modelType), for which no GGUF file is written yet",
                hint: "these can be written: \(Architecture.all.filter { $0.gguf != nil }.map(\.modelType).joined(separator: ", "))")
        }
        let index = try WeightIndex(checkpoint, description)
        guard index.unusedNames.isEmpty else {
            throw FileError(
                checkpoint.path,
                "\(index.unusedNames.count) tensors are none of a \(description.modelType), and would be lost: "
                    + TensorGroups.text(index.unusedNames))
        }
        // As converters and llama-quantize order them.
        var expected = description.groupedTensors.sorted { $0[0].name.utf8.lexicographicallyPrecedes($1[0].name.utf8) }
        if mixture.isQuantizedLater { expected.sort { Self.precedes($0[0].key, $0[0].part, $1[0].key, $1[0].part) } }
        var outputs: [Output] = []
        if let frequencyFactors, let shape = Shape([frequencyFactors.count]) {
            outputs.append(
                Output(
                    name: GGUFSpelling.frequencyFactors, shape: shape, storage: .scalar(.f32), change: .none, tensors: [],
                    values: frequencyFactors, importance: nil))
        }
        let names = expected.map { GGUFSpelling.name($0[0].key, $0[0].part) }
        let shapes = expected.map { Self.shape($0) }
        let attention = description.layers.first?.attention
        let storages = mixture.storage(
            of: Array(zip(names, shapes)),
            GGUFMixture.Model(
                headsPerKey: attention.map { $0.headCount / $0.keyValueHeadCount } ?? 1, layerCount: description.layers.count,
                expertCount: description.mixture?.expertCount ?? 0, isLlama: spelling.name == "llama"))
        for (position, group) in expected.enumerated() {
            let sources = group.map { tensor in
                guard let entry = index[tensor.name] else { preconditionFailure("the index has every expected tensor") }
                return entry.tensor
            }
            outputs.append(
                Output(
                    name: names[position], shape: shapes[position], storage: storages[position],
                    change: Self.change(group[0], description, pairsRows: spelling.pairsRows), tensors: sources, values: [],
                    importance: try importance.flatMap { file throws(FileError) in
                        try Self.importance(in: file, of: names[position], shapes[position], storages[position], parts: group.count)
                    }))
        }
        self.checkpoint = checkpoint
        self.mixture = mixture
        self.outputs = outputs
        self.description = description
    }

    /// Whether weights that were rounded to few bits once are rounded to few bits again.
    package var quantizesAgain: Bool {
        outputs.contains { output in
            guard case .blocks = output.storage else { return false }
            return output.tensors.contains { $0.plainIndex == nil }
        }
    }

    /// Names of the tensors that are stored with what an imatrix says of their inputs, and of those that could be, but it says nothing of.
    package var weighed: (with: [String], without: [String]) {
        let possible = outputs.filter { output in
            if case .blocks(let format) = output.storage { format.takesImportance } else { false }
        }
        return (possible.filter { $0.importance != nil }.map(\.name), possible.filter { $0.importance == nil }.map(\.name))
    }

    /// What a file says of the inputs of a tensor; nil where it says nothing, or the type has no use for it.
    ///
    /// - Throws: where it tells of other numbers of inputs.
    private static func importance(
        in file: ImportanceFile, of name: String, _ shape: Shape, _ storage: GGUFStorage, parts: Int
    ) throws(FileError) -> [Float]? {
        guard case .blocks(let format) = storage, format.takesImportance, let entry = file.entries[name] else { return nil }
        let columns = shape.dimensions.last ?? 0
        // Experts in one tensor are as many as its first dimension says.
        let matrices = shape.dimensions.count == 3 ? shape.dimensions[0] : parts
        guard entry.means.count == columns * matrices else {
            throw FileError(
                file.path, at: "'\(name)'",
                "has \(entry.means.count) values, but \(matrices == 1 ? "" : "\(matrices) experts of ")\(columns) inputs are expected: it is of "
                    + "another model")
        }
        return entry.means
    }

    /// Of the elements of all tensors.
    package var elementCount: Int { outputs.reduce(0) { $0 + $1.shape.elementCount } }

    private static func shape(_ group: [ExpectedTensor]) -> Shape {
        let tensor = group[0], own = tensor.dimensions.count == 2 ? [tensor.sizes.outputs, tensor.sizes.inputs] : tensor.dimensions
        let dimensions = (tensor.key.role.isOfExpert ? [group.count] : []) + own
        guard let shape = Shape(dimensions) else { preconditionFailure("a stored tensor has such a shape") }
        return shape
    }

    private static func change(_ tensor: ExpectedTensor, _ description: ModelDescription, pairsRows: Bool) -> Change {
        guard let layer = tensor.key.layer.map({ description.layers[$0] }) ?? description.layers.first else { return .none }
        if tensor.key.role.isNorm, tensor.part == .weight {
            return layer.norm(tensor.key.role, width: description.width).norm.addsOne ? .plusOne : .none
        }
        guard pairsRows, tensor.key.role == .query || tensor.key.role == .key else { return .none }
        return .paired(headWidth: layer.attention.headWidth)
    }

    /// What is outside of the layers first, then layer by layer, each by name.
    private static func precedes(
        _ a: ModuleKey, _ aPart: ExpectedTensor.Part, _ b: ModuleKey, _ bPart: ExpectedTensor.Part
    ) -> Bool {
        guard a.layer == b.layer else { return (a.layer ?? -1) < (b.layer ?? -1) }
        return GGUFSpelling.name(a, aPart).utf8.lexicographicallyPrecedes(GGUFSpelling.name(b, bPart).utf8)
    }
}

extension GGUFStorage {
    /// As files number it.
    package var type: GGUFTensorType {
        let type =
            switch self {
            case .scalar(let type): GGUFTensorType.scalar(type)
            case .blocks(let format): GGUFTensorType.type(id: format.rawValue)
            }
        guard let type else { preconditionFailure("\(self) is a type of GGUF files") }
        return type
    }

    /// Bytes of so many elements, which are whole blocks.
    func byteCount(elementCount: Int) -> Int {
        switch self {
        case .scalar(let type): return elementCount * type.bitCount / 8
        case .blocks(let format):
            guard let count = format.byteCount(elementCount: elementCount) else { preconditionFailure("rows are whole blocks") }
            return count
        }
    }
}
