import Adapters
import ByteIO
import Checkpoints
import JSONText
import Quantization
import Streaming
import TensorCore

/// Makes the items of a plan: every tensor that a merge writes, and where its values come from.
struct MergeItems {
    typealias Item = MergePlan.Item

    private let base: Checkpoint
    private let tie: AdapterBase.Tie?
    private let headName: String
    private let reference: Checkpoint?
    private let bound: BoundAdapters
    private let experts: MergedExperts
    private let biases: MergedBiases

    init(base: MergeBase, reference: Checkpoint?, bound: BoundAdapters, experts: MergedExperts, biases: MergedBiases) {
        self.base = base.checkpoint
        tie = base.description.tie
        headName = base.headName
        self.reference = reference
        self.bound = bound
        self.experts = experts
        self.biases = biases
    }

    /// Of a model in the form of the base.
    func items() throws -> [Item] {
        let originals = try reference.map(matched) ?? [:]
        var items = try base.tensors.enumerated().map { index, tensor in
            let outcome = outcome(of: index)
            if let table = outcome?.table { return try resized(tensor, table, outcome?.change, as: tensor.scalarType, previous: tensor) }
            guard let change = outcome?.change else {
                return Item(name: tensor.name, origin: .base, tensor: tensor, previous: tensor, change: nil, outcome: .copy)
            }
            let original = originals[index]
            return Item(
                name: tensor.name, origin: original == nil ? .base : .reference, tensor: original ?? tensor, previous: tensor,
                change: change, outcome: try self.outcome(tensor, in: base))
        }
        if let head = bound.untiedHead, let tie, tie.head == nil {
            let embedding = base.tensors[tie.embedding]
            if let table = head.table {
                items.append(try resized(renamed(embedding), table, head.change, as: embedding.scalarType, previous: nil))
            } else {
                let outcome: MergePlan.Outcome = try head.change == nil ? .copy : renamed(self.outcome(embedding, in: base))
                items.append(
                    Item(name: headName, origin: .base, tensor: embedding, previous: nil, change: head.change, outcome: outcome))
            }
        }
        items += try added { $0 } + taskHeads(as: nil)
        for index in base.attachments where base.source.tensors[index].name.hasPrefix(QNFMetadata.undoPrefix) {
            let info = base.source.tensors[index]
            let tensor = LogicalTensor(
                name: info.name, storage: .plain(index), scalarType: info.scalarType, shape: info.shape)
            items.append(Item(name: info.name, origin: .base, tensor: tensor, previous: tensor, change: nil, outcome: .copy))
        }
        return items
    }

    /// Of a dense model, all of one type.
    func exported(as type: ScalarType) throws -> [Item] {
        let source = reference ?? base, origin: MergePlan.Origin = reference == nil ? .base : .reference
        if reference != nil { _ = try matched(source) }
        let indices = Dictionary(base.tensors.enumerated().map { (ByteKey($1.name), $0) }, uniquingKeysWith: { first, _ in first })
        var items = try source.tensors.map { tensor in
            let outcome = indices[ByteKey(tensor.name)].flatMap(outcome)
            if let table = outcome?.table { return try resized(tensor, table, outcome?.change, as: type, previous: nil) }
            return try exported(tensor, from: origin, name: tensor.name, change: outcome?.change, as: type)
        }
        if let head = bound.untiedHead, let tie, tie.head == nil {
            let name = base.tensors[tie.embedding].name
            if let table = head.table {
                items.append(try resized(renamed(base.tensors[tie.embedding]), table, head.change, as: type, previous: nil))
            } else if let embedding = source.tensors.first(where: { ByteKey($0.name) == ByteKey(name) }) {
                items.append(try exported(embedding, from: origin, name: headName, change: head.change, as: type))
            } else {
                preconditionFailure("the reference has every tensor that changes")
            }
        }
        return items + (try added { _ in type }) + (try taskHeads(as: type))
    }

    /// A head that the base stores although it is tied changes as the embedding does, or is one of its own from now on.
    private func outcome(of index: Int) -> BoundAdapters.Outcome? {
        guard let tie, index == tie.head else { return experts.outcomes[index] ?? bound.outcomes[index] }
        return bound.untiedHead ?? bound.outcomes[tie.embedding]
    }

    // MARK: - One item

    private func exported(
        _ tensor: LogicalTensor, from origin: MergePlan.Origin, name: String, change: WeightChange?, as type: ScalarType
    ) throws -> Item {
        let isFloat = tensor.scalarType.isQuantizable
        guard isFloat || change == nil else { throw noFloat(tensor, origin == .base ? base : reference ?? base) }
        guard isFloat, tensor.plainIndex == nil || tensor.scalarType != type || change != nil else {
            return Item(name: name, origin: origin, tensor: tensor, previous: nil, change: nil, outcome: .copy)
        }
        let info = try info(name, type, tensor.shape)
        return Item(name: name, origin: origin, tensor: tensor, previous: nil, change: change, outcome: .dense(info))
    }

    /// A table of an adapter in the place of the base's, stored dense, and what is done to it.
    private func resized(
        _ tensor: LogicalTensor, _ table: BoundAdapters.Table, _ change: WeightChange?, as type: ScalarType, previous: LogicalTensor?
    ) throws -> Item {
        guard type.isNarrowable else { throw noFloat(tensor, base) }
        let shape = table.tensor.info.shape
        let source = LogicalTensor(
            name: tensor.name, storage: .plain(table.tensor.index), scalarType: table.tensor.info.scalarType, shape: shape)
        return Item(
            name: tensor.name, origin: .adapter(table.adapter), tensor: source, previous: previous, change: change,
            outcome: .dense(try info(tensor.name, type, shape)), remark: "\(table.rowCount) rows")
    }

    /// - Parameter type: of what is stored; the layer's own for a model in the form of the base.
    private func added(_ type: (ScalarType) -> ScalarType) throws -> [Item] {
        try biases.biases.map { bias in
            let info = try info(bias.info.name, type(bias.info.scalarType), bias.info.shape)
            return Item(
                name: info.name, origin: .base, tensor: base.tensors[bias.weight], previous: nil, change: nil,
                outcome: .added(info, bias.values), remark: "bias added")
        }
    }

    /// - Parameter type: nil for the adapter's own.
    private func taskHeads(as type: ScalarType?) throws -> [Item] {
        try bound.taskHeads.map { head in
            let info = head.tensor.info
            let source = LogicalTensor(
                name: head.name, storage: .plain(head.tensor.index), scalarType: info.scalarType, shape: info.shape)
            return Item(
                name: head.name, origin: .adapter(head.adapter), tensor: source, previous: nil, change: nil,
                outcome: .dense(try self.info(head.name, type ?? info.scalarType, info.shape)), remark: "head of a task")
        }
    }

    /// How a tensor of the base is stored again once it has changed.
    private func outcome(_ tensor: LogicalTensor, in base: Checkpoint) throws -> MergePlan.Outcome {
        guard let quantized = tensor.quantized else {
            guard tensor.scalarType.isNarrowable else { throw noFloat(tensor, base) }
            return .dense(try info(tensor.name, tensor.scalarType, tensor.shape))
        }
        guard let settings = quantized.state.settings else {
            throw FileError(
                base.path, at: "tensor '\(tensor.name)'",
                "its constants are quantized in blocks of \(quantized.state.nested?.blockSize ?? 0), but "
                    + "\(QuantizationSettings.nestedBlockSize) is the one size that can be written")
        }
        return .quantized(quantized.state, settings)
    }

    private func info(_ name: String, _ type: ScalarType, _ shape: Shape) throws -> TensorInfo {
        guard let info = TensorInfo(name: name, scalarType: type, shape: shape) else {
            throw OperationError("tensor '\(name)' of shape \(shape) is too large as \(type.rawValue)")
        }
        return info
    }

    private func renamed(_ outcome: MergePlan.Outcome) -> MergePlan.Outcome {
        guard case .dense(var info) = outcome else { return outcome }
        info.name = headName
        return .dense(info)
    }

    /// The embedding under the name of the head.
    private func renamed(_ tensor: LogicalTensor) -> LogicalTensor {
        LogicalTensor(
            name: headName, storage: tensor.storage, scalarType: tensor.scalarType, shape: tensor.shape, orientation: tensor.orientation)
    }

    private func noFloat(_ tensor: LogicalTensor, _ checkpoint: Checkpoint) -> FileError {
        FileError(
            checkpoint.path, at: "tensor '\(tensor.name)'",
            "is \(tensor.scalarType.rawValue), but merged weights are stored as F32, F16 or BF16",
            hint: "`outputType` writes the whole model in one of these types")
    }

    // MARK: - Reference

    /// Tensors of the reference by the index of the base's that they stand for; every changed one is there.
    private func matched(_ reference: Checkpoint) throws -> [Int: LogicalTensor] {
        let names = Dictionary(reference.tensors.map { (ByteKey($0.name), $0) }, uniquingKeysWith: { first, _ in first })
        var result: [Int: LogicalTensor] = [:]
        let isUntied = bound.untiedHead.map { $0.table == nil } ?? false
        for index in base.tensors.indices {
            let isChanged = outcome(of: index).map { $0.table == nil } ?? false
            guard isChanged || isUntied && index == tie?.embedding else { continue }
            let tensor = base.tensors[index]
            guard let original = names[ByteKey(tensor.name)] else {
                throw FileError(
                    reference.path, "has no '\(tensor.name)', which the adapters change",
                    hint: "name the model that \(base.path) was made of")
            }
            guard original.shape == tensor.shape else {
                throw FileError(
                    reference.path, at: "tensor '\(tensor.name)'", "has shape \(original.shape), but in the base \(tensor.shape)",
                    hint: "name the model that \(base.path) was made of")
            }
            guard original.scalarType.isQuantizable else { throw noFloat(original, reference) }
            result[index] = original
        }
        return result
    }
}
