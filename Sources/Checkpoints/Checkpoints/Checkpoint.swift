package import ByteIO
package import JSONText
import Quantization
import SafetensorsFormat
package import TensorCore

/// A model, or any set of tensors, opened from a path and validated; nothing but headers and quant states is read yet.
package struct Checkpoint: Sendable {
    package let path: String
    package let kind: Kind
    /// The stored tensors.
    package let source: any TensorSource
    /// What the stored tensors mean, in the order of the source; companion files of a .qnf, undo records and leftovers are not among
    /// them.
    package let tensors: [LogicalTensor]
    /// Beside quantized weights what means nothing once these are dense.
    package let leftovers: [LogicalTensor]
    /// Indices into the source's tensors of what is no part of the weights: companion files of a .qnf, undo records, and leftovers.
    package let attachments: [Int]
    package let files: [CompanionFile]
    package let architecture: ModelIdentity
    /// config.json, where there is one.
    package let config: JSONValue?
    /// Only of a .qnf.
    package let metadata: QNFMetadata?
    /// What is odd about the checkpoint, but no reason to refuse it.
    package private(set) var warnings: [String]
    /// Those of the warnings that make it unsound: it is probably not the model that is meant.
    package let defects: [String]
    /// Why the tensors are no weights to compute with, where that is so.
    package private(set) var foreignWeights: ForeignWeights?
    /// Files that say how to read the others: an index of shards, hparams.json, quantize_config.json.
    package private(set) var guides: [InputFile]
    /// What config.json and files of their own say of how the weights are quantized.
    package let quantization: StatedQuantization

    /// What a part of a conversion holds, and no model: a part has the names of a model, but not all of them.
    package static let partResultsName = "part/results"

    /// config.json is parsed up to this length; real ones have a few kilobytes.
    private static let configByteCountLimit = 16 << 20

    init(
        path: String, kind: Kind, source: any TensorSource, files: [CompanionFile], guides: [InputFile] = [], metadata: QNFMetadata? = nil,
        warnings: [String] = [], defects: [String] = [], layouts: [any TensorLayout] = .known
    ) throws(FileError) {
        let config = try Self.parseConfig(files, path: path)
        let architecture = ModelIdentity(config: config, tensors: source.tensors)
        let quantization = try StatedQuantization(config: config, files: metadata == nil ? files : [], path: path)
        let context = LayoutContext(source, quantization: quantization, config: config) { name in
            guard let metadata else { return architecture.orientation(of: name) }
            return metadata.transposed.contains(ByteKey(name)) ? .inputsByOutputs : .outputsByInputs
        }
        // A .qnf holds what its own form says.
        let logical = try (metadata == nil ? layouts : [BitsandbytesLayout()]).logicalTensors(of: source, context)
        let hasQuantized = logical.tensors.contains { $0.quantized != nil }
        self.path = path
        self.kind = kind != .qnf && hasQuantized ? Kind(container: kind.container, layout: .bitsandbytes) : kind
        self.source = source
        func isAttachment(_ name: String) -> Bool {
            metadata == nil ? name.hasPrefix(QNFMetadata.undoPrefix) : !QNFMetadata.isWeight(name)
        }
        tensors = logical.tensors.filter { !isAttachment($0.name) }
        leftovers = logical.leftovers.filter { !isAttachment($0.name) }
        attachments = source.tensors.indices.filter { isAttachment(source.tensors[$0].name) } + leftovers.flatMap(\.parts)
        let (statements, others) = (files.filter(\.statesQuantization), files.filter { !$0.statesQuantization })
        self.files = others
        self.guides = guides + statements.compactMap(\.inputFile)
        self.quantization = quantization
        self.architecture = architecture
        self.config = config
        self.metadata = metadata
        foreignWeights = ForeignWeights.recognize(logical, tensors, quantization)
        self.defects = defects
        let odd = Self.warnings(quantization, hasQuantized: hasQuantized) + architecture.warnings(config: config) + logical.warnings
        self.warnings = defects + warnings + odd
    }

    /// The same with more to say.
    func adding(warnings more: [String]) -> Checkpoint {
        var copy = self
        copy.warnings += more
        return copy
    }

    /// The same with another file that says how to read the others.
    func guided(by file: InputFile) -> Checkpoint {
        var copy = self
        copy.guides.append(file)
        return copy
    }

    /// The files that must not be overwritten: those of the weights, those that say how to read them, and those that ride along.
    package var inputFiles: [InputFile] {
        source.files + guides
            + files.compactMap(\.inputFile)
    }

    /// The checksum that the container keeps of a stored tensor; nil where it keeps none.
    package func storedChecksum(ofTensor index: Int) -> CRC32C? {
        metadata?.checksums[index] ?? source.storedChecksum(ofTensor: index)
    }

    private static func parseConfig(_ files: [CompanionFile], path: String) throws(FileError) -> JSONValue? {
        guard let file = files.first(where: { $0.name == "config.json" }) else { return nil }
        // Beside the weights it is a file of its own; inside a .qnf it is a part of that one.
        var (owner, place) = (path, Optional("config.json"))
        if case .part(let input, _, let byteCount) = file.content, input.byteCount == byteCount { (owner, place) = (input.path, nil) }
        guard file.byteCount <= configByteCountLimit else {
            throw FileError(owner, at: place, "has \(file.byteCount) bytes, but at most \(configByteCountLimit) are parsed")
        }
        let bytes = try file.bytes()
        do { return try JSONValue(parsing: bytes, takesPythonNumbers: true) } catch {
            guard place == nil else { throw FileError(owner, at: place, error.description) }
            throw FileError(
                owner, at: "byte \(error.offset)", error.message,
                hint: "fetch it again: it is cut, or a web page or a Git LFS pointer came in its place")
        }
    }

    /// Refuses weights that cannot be computed with, by name.
    ///
    package func requireReadableWeights() throws(FileError) {
        if source.tensors.contains(where: { $0.name == Self.partResultsName }) {
            throw FileError(path, "is a part of a conversion, and no model", hint: "`PartJoin` puts all parts together")
        }
        if let foreignWeights { throw foreignWeights.refusal(path: path) }
    }

    /// The same checkpoint with float8 weights that have no scales taken for numbers by themselves.
    package func takingPlainFloat8() -> Checkpoint {
        guard foreignWeights?.kind == .unscaledFloat8 else { return self }
        var checkpoint = self
        checkpoint.foreignWeights = ForeignWeights.stated(quantization)
        return checkpoint
    }

    /// Whether weights are codes of a quantization that are decoded (and not multiplied by, as those of bitsandbytes are): config.json
    /// says so, and what is written of them is dense. Blocks of a GGUF file are not meant: nothing beside them says what they are.
    package var hasPackedWeights: Bool { !(source is any BlockSource) && tensors.contains(where: \.isEncoded) }

    private static func warnings(_ quantization: StatedQuantization, hasQuantized: Bool) -> [String] {
        guard quantization.methodOfConfig == StatedQuantization.bitsandbytes, !hasQuantized else { return [] }
        return ["config.json has a quantization_config of bitsandbytes, but no tensor is 4-bit"]
    }
}
