package import Architectures
package import ByteIO
package import GGUFFormat
package import TensorCore

/// What tells the model of a GGUF file, without the weights: of a file on disk, or of one that is yet to be written.
package struct GGUFContents: Sendable {
    package struct Tensor: Sendable {
        package let name: String
        /// Of the elements.
        package let shape: Shape
        /// Of a matrix: the type that its elements, or the bytes of its blocks, have.
        package let matrixType: ScalarType?

        package init(name: String, shape: Shape, matrixType: ScalarType? = nil) {
            self.name = name
            self.shape = shape
            self.matrixType = matrixType
        }
    }

    package let metadata: GGUFMetadata
    package let tensors: [Tensor]
    /// By which the frequencies of rotations are divided, [R / 2]: tensors of no module, by name (`GGUFSpelling.factorNames`).
    package let factors: [String: [Float]]

    package init(metadata: GGUFMetadata, tensors: [Tensor], factors: [String: [Float]]) {
        self.metadata = metadata
        self.tensors = tensors
        self.factors = factors
    }

    init(_ file: GGUFSource) throws(FileError) {
        metadata = file.metadata
        tensors = file.tensors.indices.map { index in
            let stored = file.tensors[index]
            return Tensor(
                name: stored.name, shape: file.blockType(ofTensor: index)?.shape ?? stored.shape,
                matrixType: stored.shape.dimensions.count == 2 ? stored.scalarType : nil)
        }
        factors = try Self.factors(file)
    }

    private static func factors(_ file: GGUFSource) throws(FileError) -> [String: [Float]] {
        var factors: [String: [Float]] = [:]
        for (index, info) in file.tensors.enumerated() where GGUFSpelling.factorNames.contains(info.name) {
            guard info.scalarType == .f32, info.shape.dimensions.count == 1, info.elementCount <= 1 << 16 else {
                throw FileError(
                    file.path, at: "tensor '\(info.name)'", "is \(info.scalarType.rawValue) \(info.shape), but F32 [n] is expected")
            }
            factors[info.name] = try file.floats(ofTensor: index, 0..<info.elementCount)
        }
        return factors
    }
}

extension ModelDescription {
    /// The model of a GGUF file by its keys, as it would be read.
    ///
    /// - Throws: for a family that is not known, and for keys that are missing, contradict each other or are not followed; by name.
    package init(ofGGUF contents: GGUFContents) throws(FileError) { self = try GGUFConfiguration(contents).description }
}
