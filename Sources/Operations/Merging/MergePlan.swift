import ByteIO
package import Checkpoints
import JSONText
import Quantization
package import TensorCore

/// What a merge will write, tensor by tensor, before any weight is read.
package struct MergePlan: Sendable {
    package enum Form: Sendable, Hashable {
        /// A .qnf of a .qnf: 4-bit weights stay 4-bit.
        case qnf
        /// The safetensors files of a dense base, each tensor where it was.
        case sameFiles
        /// A dense model of this type, whatever the base is.
        case export(ScalarType)
    }

    /// What happens to a tensor.
    enum Outcome: Sendable {
        /// All stored parts are copied.
        case copy
        /// Its values, merged or cast, are stored like this.
        case dense(TensorInfo)
        /// Its merged values are quantized as the base's were.
        case quantized(QuantState, QuantizationSettings)
    }

    struct Item: Sendable {
        let name: String
        /// What the values come from.
        let origin: Checkpoint
        let tensor: LogicalTensor
        /// The base's tensor of this name; nil of an output head that the base does not store.
        let previous: LogicalTensor?
        let change: WeightChange?
        let outcome: Outcome
    }

    package let base: Checkpoint
    package let reference: Checkpoint?
    package let adapters: [WeightedAdapter]
    package let form: Form
    let items: [Item]
    /// Whether the output is to hold a record that leads back to the base: only one of its form can.
    package let keepsUndo: Bool
    /// An output head of its own that the merged model gets: the base's was tied.
    package let ownHead: String?

    /// - Parameters:
    ///   - reference: the weights before quantization, which take the place of the base's; nil for the base itself.
    ///   - keepsUndo: asks for an undo record.
    package init(
        base: Checkpoint, reference: Checkpoint? = nil, adapters: [WeightedAdapter], form: Form, keepsUndo: Bool = true
    ) throws {
        precondition(!adapters.isEmpty, "a merge has an adapter")
        let binding = try MergeBinding(adapters, base: base)
        try Self.check(base, form)
        if let reference { try Self.check(reference, against: base, binding) }
        self.base = base
        self.reference = reference
        self.adapters = adapters
        self.form = form
        ownHead = binding.ownHead?.name
        switch form {
        case .qnf, .sameFiles:
            self.keepsUndo = keepsUndo
            let items = try Self.items(base, reference, binding)
            // Earlier records would not lead back any more where the last step is missing.
            self.items = keepsUndo ? items : items.filter { UndoFiles.number(of: $0.name) == nil }
        case .export(let type):
            self.keepsUndo = false
            items = try Self.exportItems(reference ?? base, base, binding, type)
        }
    }

    /// Changed tensors in natural order: name, shape, and what changes.
    package var changes: [(name: String, shape: Shape, change: String)] {
        changedItems.map { ($0.name, $0.tensor.shape, $0.change?.word ?? "") }
    }

    /// Bytes that a merge tells `Resources.progress` of, all together.
    package var inputByteCount: Int { base.storedByteCount }

    var changedItems: [Item] {
        items.filter { $0.change != nil }.sorted { NaturalOrder.precedes($0.name, $1.name) }
    }

    // MARK: - Items

    private static func items(_ base: Checkpoint, _ reference: Checkpoint?, _ binding: MergeBinding) throws -> [Item] {
        let originals = try reference.map { try matched($0, base, binding) } ?? [:]
        var items = try base.tensors.enumerated().map { index, tensor in
            guard let change = binding.changes[index] else {
                return Item(name: tensor.name, origin: base, tensor: tensor, previous: tensor, change: nil, outcome: .copy)
            }
            let original = originals[index]
            return Item(
                name: tensor.name, origin: original == nil ? base : reference ?? base, tensor: original ?? tensor, previous: tensor,
                change: change, outcome: try outcome(tensor, in: base))
        }
        if let head = binding.ownHead {
            let embedding = base.tensors[head.embedding]
            let outcome: Outcome = try head.change == nil ? .copy : renamed(outcome(embedding, in: base), head.name)
            items.append(
                Item(name: head.name, origin: base, tensor: embedding, previous: nil, change: head.change, outcome: outcome))
        }
        for index in base.attachments where base.source.tensors[index].name.hasPrefix(QNFMetadata.undoPrefix) {
            let info = base.source.tensors[index]
            let tensor = LogicalTensor(
                name: info.name, storage: .plain(index), scalarType: info.scalarType, shape: info.shape, isConv1D: false)
            items.append(Item(name: info.name, origin: base, tensor: tensor, previous: tensor, change: nil, outcome: .copy))
        }
        return items
    }

    private static func exportItems(_ origin: Checkpoint, _ base: Checkpoint, _ binding: MergeBinding, _ type: ScalarType) throws -> [Item]
    {
        let changes = Dictionary(uniqueKeysWithValues: binding.changes.map { (ByteKey(base.tensors[$0.key].name), $0.value) })
        func item(_ tensor: LogicalTensor, name: String, change: WeightChange?) throws -> Item {
            let isFloat = tensor.scalarType.isQuantizable
            guard isFloat || change == nil else { throw noFloat(tensor, origin) }
            guard isFloat, tensor.quantized != nil || tensor.scalarType != type || change != nil else {
                return Item(name: name, origin: origin, tensor: tensor, previous: nil, change: nil, outcome: .copy)
            }
            guard let info = TensorInfo(name: name, scalarType: type, shape: tensor.shape) else {
                throw OperationError("tensor '\(name)' of shape \(tensor.shape) is too large as \(type.rawValue)")
            }
            return Item(name: name, origin: origin, tensor: tensor, previous: nil, change: change, outcome: .dense(info))
        }
        var items = try origin.tensors.map { try item($0, name: $0.name, change: changes[ByteKey($0.name)]) }
        if let head = binding.ownHead {
            let name = base.tensors[head.embedding].name
            guard let embedding = origin.tensors.first(where: { ByteKey($0.name) == ByteKey(name) }) else {
                preconditionFailure("the reference has every tensor that changes")
            }
            items.append(try item(embedding, name: head.name, change: head.change))
        }
        return items
    }

    /// How a tensor of the base is stored again once it has changed.
    private static func outcome(_ tensor: LogicalTensor, in base: Checkpoint) throws -> Outcome {
        guard let quantized = tensor.quantized else {
            guard tensor.scalarType.isNarrowable,
                let info = TensorInfo(name: tensor.name, scalarType: tensor.scalarType, shape: tensor.shape)
            else { throw noFloat(tensor, base) }
            return .dense(info)
        }
        guard let settings = quantized.state.settings else {
            throw FileError(
                base.path, at: "tensor '\(tensor.name)'",
                "its constants are quantized in blocks of \(quantized.state.nested?.blockSize ?? 0), but "
                    + "\(QuantizationSettings.nestedBlockSize) is the one size that can be written")
        }
        return .quantized(quantized.state, settings)
    }

    private static func renamed(_ outcome: Outcome, _ name: String) -> Outcome {
        guard case .dense(var info) = outcome else { return outcome }
        info.name = name
        return .dense(info)
    }

    private static func noFloat(_ tensor: LogicalTensor, _ checkpoint: Checkpoint) -> FileError {
        FileError(
            checkpoint.path, at: "tensor '\(tensor.name)'",
            "is \(tensor.scalarType.rawValue), but merged weights are stored as F32, F16 or BF16",
            hint: "--to writes the whole model in one of these types")
    }

    // MARK: - Checks

    private static func check(_ base: Checkpoint, _ form: Form) throws {
        try base.requireReadableWeights()
        switch form {
        case .export: return
        case .qnf:
            guard base.kind == .qnf else { throw OperationError("\(base.path) is no .qnf, but one is to be written") }
        case .sameFiles:
            guard base.kind != .bitsandbytes else {
                throw OperationError(
                    "\(base.path) is a bitsandbytes 4-bit checkpoint, and a merge that can be undone needs a .qnf",
                    hint: "qconvert to-nf4 makes one without loss; or write a dense model with --to bf16")
            }
            guard base.kind == .safetensors || base.kind == .huggingFace else {
                throw OperationError(
                    "\(base.path) is of a form that is not written: \(base.kind.rawValue)", hint: "--to f32 writes a dense model")
            }
        }
    }

    /// The reference is the same model, dense.
    private static func check(_ reference: Checkpoint, against base: Checkpoint, _ binding: MergeBinding) throws {
        if let tensor = reference.tensors.first(where: { $0.quantized != nil }) {
            throw OperationError(
                "\(reference.path) is to be the reference, but '\(tensor.name)' in it is 4-bit",
                hint: "a reference holds the weights before quantization")
        }
        _ = try matched(reference, base, binding)
    }

    /// Tensors of the reference by the index of the base's that they stand for; every changed one is there.
    private static func matched(_ reference: Checkpoint, _ base: Checkpoint, _ binding: MergeBinding) throws -> [Int: LogicalTensor] {
        let names = Dictionary(reference.tensors.map { (ByteKey($0.name), $0) }, uniquingKeysWith: { first, _ in first })
        var result: [Int: LogicalTensor] = [:]
        for index in Set(binding.changes.keys).union(binding.ownHead.map { [$0.embedding] } ?? []).sorted() {
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
