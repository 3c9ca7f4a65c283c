package import ByteIO
import JSONText
package import Quantization
package import TensorCore

/// A way of storing weights as several tensors, or under types that are not those of their elements: known by names and types.
package protocol TensorLayout: Sendable {
    /// The weights of this kind.
    ///
    /// Tensors decide, and what is stated comes second: a module whose weight is dense is dense whatever the configuration says.
    ///
    /// - Throws: where parts are missing, or of other types or lengths than they have to be.
    func find(in source: any TensorSource, _ context: LayoutContext) throws(FileError) -> LayoutFindings
}

/// What a layout has found in a source.
package struct LayoutFindings {
    /// Each with the stored tensor in whose place it stands among the others.
    package var weights: [(place: Int, tensor: LogicalTensor)] = []
    /// Stored tensors beside the weights that mean nothing once these are dense: shown, and not written with them. What any
    /// quantized model may have (`Leftovers`) need not be named.
    package var leftovers: [Int] = []
    /// Where weights are of this kind, but of a variant that is not read: to be looked at, not to be computed with.
    package var refusal: ForeignWeights?
    /// What is odd, but no reason to refuse.
    package var warnings: [String] = []

    package init() {}

    /// Adds a weight that is decoded by an encoding of [out, in]; it lies in the model as the context says.
    package mutating func add(
        _ name: String, _ encoding: any WeightEncoding, parts: [Int], place: Int, _ context: LayoutContext
    ) {
        let lies = context.orientation(name)
        guard let own = Shape(lies.turned(encoding.shape.dimensions)) else { preconditionFailure("as many elements") }
        weights.append(
            (
                place,
                LogicalTensor(
                    name: name, storage: .encoded(EncodedTensor(encoding: encoding, parts: parts)), scalarType: encoding.scalarType,
                    shape: own, orientation: lies)
            ))
    }
}

/// The stored tensors of a source, as a model means them.
package struct LogicalTensors {
    /// In the order of the source.
    package var tensors: [LogicalTensor] = []
    /// What is left out where the weights are written dense, each for itself.
    package var leftovers: [LogicalTensor] = []
    package var refusal: ForeignWeights?
    package var warnings: [String] = []
}

extension [any TensorLayout] {
    /// All that are known; the first that claims a stored tensor has it.
    package static var known: [any TensorLayout] {
        [
            BitsandbytesLayout(), GGUFLayout(), MXFP4Layout(), EightBitLayout(), FP8Layout(), GPTQLayout(),
            MLXLayout(), CompressedTensorsLayout(), ModelOptLayout(), HQQLayout(), TorchAOLayout(),
        ]
    }

    /// Groups the stored tensors into logical ones; what no layout claims stands for itself.
    func logicalTensors(of source: any TensorSource, _ context: LayoutContext) throws(FileError) -> LogicalTensors {
        var result = LogicalTensors()
        var claimed: [Int: LogicalTensor] = [:]
        var isPart = [Bool](repeating: false, count: source.tensors.count)
        var leftovers: Set<Int> = []
        for layout in self {
            let found = try layout.find(in: source, context)
            for (place, tensor) in found.weights {
                for part in tensor.parts {
                    guard isPart[part] else {
                        isPart[part] = true
                        continue
                    }
                    let other = claimed.values.first { $0.parts.contains(part) }?.name ?? tensor.name
                    throw FileError(
                        source.path, at: "tensor '\(source.tensors[part].name)'",
                        "is a part of two weights, '\(other)' and '\(tensor.name)'")
                }
                claimed[place] = tensor
            }
            leftovers.formUnion(found.leftovers)
            result.refusal = result.refusal ?? found.refusal
            result.warnings += found.warnings
        }
        let rule = Leftovers(source, context, weights: claimed.values)
        for (index, info) in source.tensors.enumerated() {
            if let tensor = claimed[index] {
                result.tensors.append(tensor)
            } else if !isPart[index] {
                let own = (2...3).contains(info.shape.dimensions.count) ? context.orientation(info.name) : .outputsByInputs
                let tensor = LogicalTensor(
                    name: info.name, storage: .plain(index), scalarType: info.scalarType, shape: info.shape, orientation: own)
                if leftovers.contains(index) || rule.isLeftover(info) {
                    result.leftovers.append(tensor)
                } else {
                    result.tensors.append(tensor)
                }
            }
        }
        try Self.checkNames(result.tensors, claimed, path: source.path)
        return result
    }

    /// A weight that is decoded has a name that none of the stored ones has.
    private static func checkNames(_ tensors: [LogicalTensor], _ claimed: [Int: LogicalTensor], path: String) throws(FileError) {
        let encoded = claimed.values.filter(\.isEncoded)
        guard !encoded.isEmpty else { return }
        var names: Set<ByteKey> = []
        for tensor in tensors where !names.insert(ByteKey(tensor.name)).inserted {
            throw FileError(
                path, at: "tensor '\(tensor.name)'", "is there twice: dense, and in another encoding",
                hint: "two checkpoints were mixed; fetch this one again, whole")
        }
    }
}
