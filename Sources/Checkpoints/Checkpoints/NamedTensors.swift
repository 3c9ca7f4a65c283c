package import ByteIO
package import TensorCore

/// Tensors under names, of a model or of what changes one: all that it takes to list, measure and compare them.
package protocol NamedTensors: Sendable {
    /// Where it was opened.
    var path: String { get }
    /// What it is, in words: `Hugging Face folder`, `LoRA adapter`.
    var title: String { get }
    /// Of the configuration, or as the names of the tensors have it; nil where nothing says it.
    var modelType: String? { get }
    /// The stored tensors.
    var source: any TensorSource { get }
    /// What the stored tensors mean.
    var tensors: [LogicalTensor] { get }
    /// Beside them what means nothing once the weights are dense, and is not written with them.
    var leftovers: [LogicalTensor] { get }

    /// The checksum that is kept of a stored tensor; nil where none is.
    func storedChecksum(ofTensor index: Int) -> CRC32C?

    /// What makes it unsound although every byte is as it was written, each with the tensor that it is about, if it is about one.
    func flaws() -> [(tensor: String?, message: String)]
}

extension NamedTensors {
    package var leftovers: [LogicalTensor] { [] }

    /// Bytes of all stored tensors.
    package var storedByteCount: Int { source.tensors.reduce(0) { $0 + $1.byteCount } }
}

extension Checkpoint: NamedTensors {
    package var title: String { kind.title }
    package var modelType: String? { architecture.modelType }

    package func flaws() -> [(tensor: String?, message: String)] {
        var flaws = defects.map { (tensor: String?.none, message: $0) }
        if let foreignWeights, foreignWeights.kind == .unscaledFloat8 {
            flaws.append((nil, "\(foreignWeights.place): \(foreignWeights.message)"))
        }
        return flaws + MissingTensors.find(in: self).map { ($0.name, $0.reason) }
    }
}

/// The stored tensors of an adapter: no model, but what changes one.
package struct AdapterTensors: NamedTensors {
    package let path: String
    package let source: any TensorSource
    package let tensors: [LogicalTensor]
    package let modelType: String?

    package init(_ source: any TensorSource, path: String) throws(FileError) {
        let identity = ModelIdentity(config: nil, tensors: source.tensors)
        self.path = path
        self.source = source
        let context = LayoutContext(source, orientation: identity.orientation(of:))
        tensors = try [any TensorLayout].known.logicalTensors(of: source, context).tensors
        modelType = identity.modelType
    }

    package var title: String { "LoRA adapter" }

    package func storedChecksum(ofTensor index: Int) -> CRC32C? { source.storedChecksum(ofTensor: index) }

    package func flaws() -> [(tensor: String?, message: String)] { [] }
}
