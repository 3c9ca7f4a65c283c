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
        /// Heads of queries, keys and values in turn go to all queries, all keys and all values.
        case grouped(GroupedHeads)
        /// The factor of the norm is w + 1, and that is what is stored.
        case plusOne
        /// Of the rows of each expert, gates and ups, one half.
        case half(StackHalf)
    }

    package struct Output: Sendable {
        /// In the file.
        package let name: String
        /// Of the elements: [out, in] of a matrix, whichever way the source has it.
        package let shape: Shape
        package let storage: GGUFStorage
        let change: Change
        /// One; of the experts of a layer one for each, and of norms of heads, all of one shape; none of factors of
        /// frequencies, which no tensor of the source holds.
        let tensors: [LogicalTensor]
        let values: [Float]
        /// How much errors of each column count, a row for each of the tensors; nil where nothing is known of that.
        let importance: [Float]?
        /// Whether its blocks are those of the source, in another order of bytes.
        var isKept = false

        /// Elements of each of the tensors.
        var partElementCount: Int { shape.elementCount / max(1, tensors.count) }

        /// Of a bias, whose rows are single elements where they are paired, one.
        var rowElementCount: Int { shape.dimensions.count >= 2 ? shape.dimensions.last ?? 1 : 1 }

        /// As the file describes it.
        var planned: GGUFPlannedTensor { GGUFPlannedTensor(name: name, type: storage.type, shape: shape) }
    }

    package let checkpoint: Checkpoint
    package let mixture: GGUFMixture
    package let outputs: [Output]
    package let description: ModelDescription

    /// - Parameters:
    ///   - description: what `describedModel` gives.
    ///   - factors: by which the frequencies of rotation are divided.
    ///   - importance: how large the inputs of weights are.
    /// - Throws: where the model is of no family that GGUF files have, where its tensors are not those of config.json, and where it holds
    ///   others, which would be lost.
    package init(
        _ checkpoint: Checkpoint, _ description: ModelDescription, _ mixture: GGUFMixture, factors: [GGUFFactors],
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
        var expected = description.tensorsInGGUF.sorted { a, b in
            let (name, other) = (a.parts[0].name, b.parts[0].name)
            // Of two that are one elsewhere, gates first.
            return name == other ? b.half?.isOfUps == true && a.half?.isOfUps == false : name.utf8.lexicographicallyPrecedes(other.utf8)
        }
        if mixture.isQuantizedLater { expected.sort(by: Self.precedes) }
        var outputs: [Output] = []
        for factor in factors {
            guard let shape = Shape([factor.values.count]) else { continue }
            outputs.append(
                Output(
                    name: factor.name, shape: shape, storage: .scalar(.f32), change: .none, tensors: [], values: factor.values,
                    importance: nil))
        }
        let names = expected.map(\.name)
        let shapes = expected.map { tensor in
            guard let shape = Shape(tensor.dimensions) else { preconditionFailure("a stored tensor has such a shape") }
            return shape
        }
        let attention = description.layers.first?.attention
        let storages = mixture.storage(
            of: Array(zip(names, shapes)),
            GGUFMixture.Model(
                headsPerKey: attention.map { $0.headCount / $0.keyValueHeadCount } ?? 1, layerCount: description.layers.count,
                expertCount: description.mixture?.expertCount ?? 0, isLlama: spelling.name == "llama"))
        for (position, planned) in expected.enumerated() {
            let sources = planned.parts.map { tensor in
                guard let entry = index[tensor.name] else { preconditionFailure("the index has every expected tensor") }
                return entry.tensor
            }
            let isKept = spelling.keepsMXFP4 && planned.parts[0].key.role.isOfExpert && MXFP4Rows.holds(sources[0])
            let storage = isKept ? .blocks(.mxfp4) : storages[position]
            outputs.append(
                Output(
                    name: names[position], shape: shapes[position], storage: storage,
                    change: planned.half.map { .half($0) }
                        ?? Self.change(planned.parts[0], description, pairsRows: spelling.pairsRows),
                    tensors: sources, values: [],
                    importance: try importance.flatMap { file throws(FileError) in
                        try Self.importance(in: file, of: names[position], shapes[position], storage, parts: planned.parts.count)
                    }, isKept: isKept))
        }
        self.checkpoint = checkpoint
        self.mixture = mixture
        self.outputs = outputs
        self.description = description
    }

    /// Whether weights that were rounded to few bits once are rounded to few bits again.
    package var quantizesAgain: Bool {
        outputs.contains { output in
            guard case .blocks = output.storage, !output.isKept else { return false }
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

    private static func change(_ tensor: ExpectedTensor, _ description: ModelDescription, pairsRows: Bool) -> Change {
        guard let layer = tensor.key.layer.map({ description.layers[$0] }) ?? description.layers.first else { return .none }
        if tensor.key.role.isNorm, tensor.part == .weight {
            return layer.norm(tensor.key.role, width: description.width).norm.addsOne ? .plusOne : .none
        }
        if tensor.key.role == .fusedQueryKeyValue, layer.attention.projections == .grouped {
            return .grouped(GroupedHeads(layer.attention))
        }
        guard pairsRows, tensor.key.role == .query || tensor.key.role == .key else { return .none }
        return .paired(headWidth: layer.attention.headWidth)
    }

    /// What is outside of the layers first, then layer by layer, each by name.
    private static func precedes(_ a: GGUFModelTensor, _ b: GGUFModelTensor) -> Bool {
        let (layer, other) = (a.parts[0].key.layer ?? -1, b.parts[0].key.layer ?? -1)
        return layer == other ? a.name.utf8.lexicographicallyPrecedes(b.name.utf8) : layer < other
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
