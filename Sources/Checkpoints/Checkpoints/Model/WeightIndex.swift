package import Architectures
package import ByteIO
import JSONText
import TensorCore

/// Which tensor of a checkpoint is which weight of the model: every name, shape and type checked before anything is read.
package struct WeightIndex: Sendable {
    /// A tensor, and what the configuration says about it.
    package struct Entry: Sendable {
        package let tensor: LogicalTensor
        package let expected: ExpectedTensor
    }

    private let entries: [ByteKey: Entry]
    /// Tensors that the model has no use for, as the checkpoint names them; buffers that old files hold are not among them.
    package let unusedNames: [String]

    /// Buffers that were stored although they follow from the model.
    private static let bufferSuffixes = [".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias"]

    /// - Throws: where tensors are missing (all are named) or do not fit the model.
    package init(_ checkpoint: Checkpoint, _ model: ModelDescription) throws(FileError) {
        var remaining: [ByteKey: LogicalTensor] = [:]
        for tensor in checkpoint.tensors { remaining[ByteKey(tensor.name)] = tensor }
        var entries: [ByteKey: Entry] = [:]
        var missing: [String] = []
        for expected in model.expectedTensors {
            let spellings = Self.spellings(of: expected.name, model)
            guard let spelling = spellings.first(where: { remaining[ByteKey($0)] != nil }),
                let tensor = remaining.removeValue(forKey: ByteKey(spelling))
            else {
                missing.append(expected.name)
                continue
            }
            try Self.check(tensor, expected, in: checkpoint)
            entries[ByteKey(expected.name)] = Entry(tensor: tensor, expected: expected)
        }
        guard missing.isEmpty else { throw Self.missing(missing, in: checkpoint, model) }
        self.entries = entries
        let heads = Set(model.spelling.names(inFilesFor: model.name(.head) + ".weight").map { ByteKey($0) })
        unusedNames = checkpoint.tensors.map(\.name).filter { name in
            let isTiedHead = model.head.isTied && heads.contains(ByteKey(name))
            return remaining[ByteKey(name)] != nil && !isTiedHead && !Self.bufferSuffixes.contains { name.hasSuffix($0) }
        }
    }

    /// The tensor of a canonical name; nil where the configuration has none of that name.
    package subscript(name: String) -> Entry? { entries[ByteKey(name)] }

    /// Names that a file may have for a tensor, the usual one first.
    ///
    /// Of a tied pair, some save the head alone: it is the embedding.
    private static func spellings(of name: String, _ model: ModelDescription) -> [String] {
        let names = model.spelling.names(inFilesFor: name)
        guard model.head.isTied, name == model.name(.embedding) + ".weight" else { return names }
        return names + model.spelling.names(inFilesFor: model.name(.head) + ".weight")
    }

    private static func check(_ tensor: LogicalTensor, _ expected: ExpectedTensor, in checkpoint: Checkpoint) throws(FileError) {
        func refuse(_ message: String, hint: String? = nil) -> FileError {
            FileError(checkpoint.path, at: "tensor '\(tensor.name)'", message, hint: hint)
        }
        guard tensor.shape.dimensions == expected.dimensions else {
            throw refuse(
                "has shape \(tensor.shape), but by config.json it is \(expected.dimensions)",
                hint: "weights and config.json are not of the same model")
        }
        if tensor.isEncoded {
            guard expected.isMatrix else { throw refuse("is \(tensor.typeName), but only matrices can be") }
        } else if tensor.quantized != nil {
            guard expected.isMatrix else { throw refuse("is 4-bit, but only matrices can be") }
            guard tensor.orientation == expected.orientation else {
                throw refuse(
                    "was quantized as \(expected.dimensions), but a weight that lies by its inputs is quantized transposed, as [out, in]",
                    hint: "convert the model again with `Conversion`, which transposes such weights")
            }
        } else {
            guard tensor.scalarType.isNarrowable else {
                throw refuse(
                    "is \(tensor.scalarType.rawValue); weights of F32, F16 and BF16 can be run",
                    hint: "`Export(castingTo: .f32)` converts other floating-point types")
            }
        }
    }

    /// Prefixes that wrappers leave in front of every name, and what a person can do about each.
    private static let wrappers: [(prefix: String, meaning: String)] = [
        ("module.", "it was saved wrapped in DataParallel: save the state_dict of 'model.module'"),
        ("_orig_mod.", "it was saved compiled: save the state_dict of 'model._orig_mod'"),
        ("base_model.model.", "it was saved wrapped by PEFT: save what 'merge_and_unload()' returns, or the adapter alone"),
        ("language_model.", "it is the text part of a larger model: save that part alone"),
        ("model.language_model.", "it is the text part of a larger model: save that part alone"),
        ("model.", "it was saved inside of another module: save the state_dict of the model itself"),
    ]

    /// What is in front of all names, where the model lies whole behind it.
    private static func wrapper(of names: [String], in checkpoint: Checkpoint) -> (prefix: String, meaning: String)? {
        let stored = Set(checkpoint.tensors.map { ByteKey($0.name) })
        return wrappers.first { wrapper in names.allSatisfy { stored.contains(ByteKey(wrapper.prefix + $0)) } }
    }

    private static func missing(_ names: [String], in checkpoint: Checkpoint, _ model: ModelDescription) -> FileError {
        if names.count == model.expectedTensors.count {
            // Of the head and a few others, other wrappers make other names.
            let most = names.filter { $0.hasPrefix(model.spelling.layerPrefix(0)) }
            let bare = most.map { String($0.dropFirst(model.spelling.prefix.count)) }
            if let wrapper = wrapper(of: most, in: checkpoint) ?? wrapper(of: bare, in: checkpoint) {
                return FileError(
                    checkpoint.path, "all names of a \(model.modelType) have '\(wrapper.prefix)' in front here",
                    hint: wrapper.meaning)
            }
        }
        let isHeadAlone = names == [model.name(.head) + ".weight"]
        return FileError(
            checkpoint.path,
            "\(names.count) of \(model.expectedTensors.count) tensors of a \(model.modelType) are missing: "
                + TensorGroups.text(names),
            hint: isHeadAlone
                ? "if the model's head is its embedding, config.json has to say so: \"tie_word_embeddings\": true"
                : "the checkpoint is incomplete, or config.json describes another model")
    }
}
