import Architectures
package import ByteIO
package import JSONText
package import TensorCore

/// What a layout is told beside the stored tensors: how weights lie, and what is said of how they are quantized.
///
/// Made once for a source and used by one thread.
package final class LayoutContext {
    /// Of the weight of a name, when dense.
    package let orientation: (String) -> Orientation
    /// What the files beside the weights say; tensors are believed first.
    package let quantization: StatedQuantization
    package let config: JSONValue?
    private let source: any TensorSource

    init(
        _ source: any TensorSource, quantization: StatedQuantization = .none, config: JSONValue? = nil,
        orientation: @escaping (String) -> Orientation
    ) {
        self.source = source
        self.quantization = quantization
        self.config = config
        self.orientation = orientation
    }

    private lazy var places = Dictionary(source.tensors.enumerated().map { (ByteKey($1.name), $0) }) { first, _ in first }

    /// Index into the source's tensors of the one of this name.
    package func place(of name: String) -> Int? { places[ByteKey(name)] }

    /// The same, of a part that a weight cannot be without.
    ///
    /// - Parameter codes: index of the codes that the part belongs to.
    package func requiredPlace(of name: String, beside codes: Int) throws(FileError) -> Int {
        if let place = place(of: name) { return place }
        throw FileError(
            source.path, at: "tensor '\(source.tensors[codes].name)'",
            "is \(source.tensors[codes].scalarType.rawValue) \(source.tensors[codes].shape), but '\(name)', which explains it, is missing",
            hint: "the checkpoint is incomplete; fetch it again, whole")
    }

    /// The value of a key of the container's own metadata (`__metadata__` of safetensors); of several files the first that has it.
    package func metadata(_ key: String) -> String? { source.containerMetadata.first { $0.key == key }?.value }

    private lazy var expectedNames: Set<ByteKey>? = {
        guard let config, let description = try? ModelDescription(config: config) else { return nil }
        return Set(description.expectedTensors.flatMap { description.spelling.names(inFilesFor: $0.name) }.map { ByteKey($0) })
    }()

    /// Whether a model of this config.json has a tensor of a name; nil where its architecture is not known.
    package func expects(_ name: String) -> Bool? { expectedNames?.contains(ByteKey(name)) }
}

extension LayoutContext {
    /// The type that config.json says the weights have, where it is one that they can be written as.
    package var statedType: ScalarType? {
        for part in [config, config?["text_config"]] {
            guard let name = part?["dtype"]?.string ?? part?["torch_dtype"]?.string else { continue }
            if let type = [ScalarType.f32, .f16, .bf16].first(where: { $0.torchName == name }) { return type }
        }
        return nil
    }
}
