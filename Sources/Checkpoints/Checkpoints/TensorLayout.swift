package import ByteIO
package import TensorCore

/// A way of storing weights as several tensors, or under types that are not those of their elements: known by names and types.
package protocol TensorLayout: Sendable {
    /// The weights of this kind, each with the stored tensor in whose place it stands among the others.
    ///
    /// - Parameter orientation: of the weight of a name, when dense.
    /// - Throws: where parts are missing, or of other types or lengths than they have to be.
    func weights(
        in source: any TensorSource, orientation: (String) -> Orientation
    ) throws(FileError) -> [(place: Int, tensor: LogicalTensor)]
}

extension [any TensorLayout] {
    /// All that are known; the first that claims a stored tensor has it.
    package static var known: [any TensorLayout] { [BitsandbytesLayout(), GGUFLayout(), MXFP4Layout()] }

    /// Groups the stored tensors into logical ones, in the order of the source; what no layout claims stands for itself.
    func logicalTensors(
        of source: any TensorSource, orientation: (String) -> Orientation
    ) throws(FileError) -> [LogicalTensor] {
        var claimed: [Int: LogicalTensor] = [:]
        var isPart = [Bool](repeating: false, count: source.tensors.count)
        for layout in self {
            for (place, tensor) in try layout.weights(in: source, orientation: orientation) {
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
        }
        var tensors: [LogicalTensor] = []
        tensors.reserveCapacity(source.tensors.count)
        for (index, info) in source.tensors.enumerated() {
            if let tensor = claimed[index] {
                tensors.append(tensor)
            } else if !isPart[index] {
                let own = (2...3).contains(info.shape.dimensions.count) ? orientation(info.name) : .outputsByInputs
                tensors.append(
                    LogicalTensor(
                        name: info.name, storage: .plain(index), scalarType: info.scalarType, shape: info.shape, orientation: own))
            }
        }
        return tensors
    }
}
