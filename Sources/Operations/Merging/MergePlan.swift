package import Adapters
import ByteIO
package import Checkpoints
import JSONText
import Quantization
import Streaming
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
        /// A bias that the base lacks, known already.
        case added(TensorInfo, [Float])
    }

    /// What the values of a tensor come from.
    enum Origin: Sendable, Hashable {
        case base, reference
        /// By its place among the adapters.
        case adapter(Int)
    }

    struct Item: Sendable {
        let name: String
        let origin: Origin
        let tensor: LogicalTensor
        /// The base's tensor of this name; nil of one that the base does not store.
        let previous: LogicalTensor?
        let change: WeightChange?
        let outcome: Outcome

        /// What is said of it besides its change.
        var remark: String?

        /// Another number of rows than the base's: the values come from an adapter.
        var isResized: Bool { previous.map { $0.shape != tensor.shape } ?? false }

        /// Of what is stored.
        var shape: Shape {
            if case .added(let info, _) = outcome { info.shape } else { tensor.shape }
        }

        /// What happens to it in a few words; nil where nothing does.
        var word: String? {
            remark.map { remark in change.map { "\(remark), \($0.word)" } ?? remark } ?? change?.word
        }
    }

    package let base: Checkpoint
    package let reference: Checkpoint?
    package let adapters: [WeightedAdapter]
    package let form: Form
    let items: [Item]
    /// The adapters as what values are read from.
    private let adapterTensors: [AdapterTensors]
    /// Whether the output is to hold a record that leads back to the base: only one of its form can.
    package let keepsUndo: Bool
    /// The output head that is one of its own in the merged model: in the base it was the embedding.
    package let untiedHead: String?
    /// Rows that embedding and head have then, where the base has others.
    package let vocabularySize: Int?
    /// Names of task heads that the merged model holds beside what it computes.
    package let taskHeads: [String]
    /// Members of config.json that become others.
    let configChanges: [(key: String, value: JSONValue)]
    /// Files that take the place of the base's tokenizer; nil where that stays.
    package var tokenizer: [CompanionFile]?

    /// - Parameters:
    ///   - reference: the weights before quantization, which take the place of the base's; nil for the base itself.
    ///   - keepsUndo: asks for an undo record.
    package init(
        base: Checkpoint, reference: Checkpoint? = nil, adapters: [WeightedAdapter], form: Form, keepsUndo: Bool = true
    ) throws {
        precondition(!adapters.isEmpty, "a merge has an adapter")
        let mergeBase = try MergeBase(base)
        let bound = try BoundAdapters(adapters, to: mergeBase.description)
        if bound.untiedHead != nil, let tie = mergeBase.description.tie, base.tensors[tie.embedding].name == mergeBase.headName {
            throw OperationError(
                "\(base.path) stores its embedding under the name of the output head, '\(mergeBase.headName)', and the adapters tear the two "
                    + "apart", hint: "load and save the base with transformers, which gives the embedding its own name")
        }
        let experts = try MergedExperts(bound, mergeBase)
        let biases = try MergedBiases(bound, base: base)
        try Self.check(base, form)
        if let reference { try Self.check(reference) }
        self.base = base
        self.reference = reference
        self.adapters = bound.adapters
        self.form = form
        untiedHead = bound.untiedHead == nil ? nil : mergeBase.headName
        vocabularySize = bound.vocabularySize
        taskHeads = bound.taskHeads.map(\.name)
        var changes: [(key: String, value: JSONValue)] = biases.flags.map { ($0, .bool(true)) }
        if bound.untiedHead != nil { changes.append(("tie_word_embeddings", .bool(false))) }
        if let count = bound.vocabularySize { changes.append(("vocab_size", .integer(count))) }
        configChanges = changes
        let maker = MergeItems(base: mergeBase, reference: reference, bound: bound, experts: experts, biases: biases)
        adapterTensors = try bound.adapters.map { weighted throws(FileError) in
            try AdapterTensors(weighted.adapter.source, path: weighted.adapter.path)
        }
        switch form {
        case .qnf, .sameFiles:
            self.keepsUndo = keepsUndo
            let items = try maker.items()
            // Earlier records would not lead back any more where the last step is missing.
            self.items = keepsUndo ? items : items.filter { UndoFiles.number(of: $0.name) == nil }
        case .export(let type):
            self.keepsUndo = false
            items = try maker.exported(as: type)
        }
    }

    /// Changed tensors in natural order: name, shape, and what changes.
    package var changes: [(name: String, shape: Shape, change: String)] {
        items.compactMap { item in item.word.map { (item.name, item.shape, $0) } }.sorted { NaturalOrder.precedes($0.name, $1.name) }
    }

    /// Whether every tensor of the base is there with its own length, and no other.
    var keepsLayout: Bool { items.allSatisfy { $0.previous != nil && !$0.isResized } }

    /// A configuration with what is no longer as in the base's; in that of the language model, where a model has several.
    func changed(_ config: JSONObject) -> JSONObject {
        var config = config
        for (key, value) in configChanges {
            if config[key] == nil, var text = config["text_config"]?.object, text[key] != nil || config["vocab_size"] == nil {
                text[key] = value
                config["text_config"] = .object(text)
            } else {
                config[key] = value
            }
        }
        return config
    }

    /// Bytes that a merge tells `Resources.progress` of, all together.
    package var inputByteCount: Int { base.storedByteCount }

    /// What holds the values of an item.
    func tensors(of origin: Origin) -> any NamedTensors {
        switch origin {
        case .base: base
        case .reference: reference ?? base
        case .adapter(let index): adapterTensors[index]
        }
    }

    /// The checkpoint of `readOrigin`.
    var readCheckpoint: Checkpoint { readOrigin == .reference ? reference ?? base : base }

    /// The checkpoint that is read completely, and whose bytes are counted and checked: where a reference becomes a dense
    /// model, the base itself is not read.
    var readOrigin: Origin {
        if case .export = form, reference != nil { .reference } else { .base }
    }

    // MARK: - Checks

    private static func check(_ base: Checkpoint, _ form: Form) throws {
        try base.requireReadableWeights()
        switch form {
        case .export: return
        case .qnf:
            guard base.kind == .qnf else { throw OperationError("\(base.path) is no .qnf, but one is to be written") }
        case .sameFiles:
            if let tensor = base.tensors.first(where: \.isEncoded) {
                throw OperationError(
                    "\(base.path) holds '\(tensor.name)' as \(tensor.typeName), which merged weights are not written in",
                    hint: "`outputType` f32 writes a dense model")
            }
            guard base.kind.layout != .bitsandbytes else {
                throw OperationError(
                    "\(base.path) is a bitsandbytes 4-bit checkpoint, and a merge that can be undone needs a .qnf",
                    hint: "`Conversion` makes one without loss; or write a dense model with `outputType` bf16")
            }
            guard base.kind == .safetensors || base.kind == .huggingFace else {
                throw OperationError(
                    "\(base.path) is of a form that is not written: \(base.kind.title)", hint: "`outputType` f32 writes a dense model")
            }
        }
    }

    /// The reference is the same model, dense.
    private static func check(_ reference: Checkpoint) throws {
        if let tensor = reference.tensors.first(where: { $0.quantized != nil }) {
            throw OperationError(
                "\(reference.path) is to be the reference, but '\(tensor.name)' in it is 4-bit",
                hint: "a reference holds the weights before quantization")
        }
    }
}
