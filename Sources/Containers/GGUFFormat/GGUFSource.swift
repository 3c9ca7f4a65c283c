package import ByteIO
import JSONText
package import TensorCore

/// The tensors of a GGUF file, or of all parts of one that was split.
///
/// Tensors of block types are listed as the bytes of their rows; `blockType` says what the bytes mean.
package final class GGUFSource: TensorSource {
    package let path: String
    /// Of the first part.
    package let metadata: GGUFMetadata
    package let parts: [GGUFFile]
    package let tensors: [TensorInfo]
    /// Part of each tensor, and index within it.
    private let places: [(part: Int, tensor: Int)]

    package var files: [InputFile] { parts.map(\.file) }

    /// - Parameter file: the only one, or any part of one that was split; the others lie beside it.
    package init(_ file: InputFile) throws(FileError) {
        let given = try GGUFFile(file)
        parts = try GGUFSplit(given).map { (split) throws(FileError) in try split.openAll(given) } ?? [given]
        path = parts[0].file.path
        metadata = parts[0].header.metadata
        var tensors: [TensorInfo] = []
        var places: [(part: Int, tensor: Int)] = []
        for (number, part) in parts.enumerated() {
            tensors += part.header.tensors.map(\.stored)
            places += part.header.tensors.indices.map { (number, $0) }
        }
        self.tensors = tensors
        self.places = places
    }

    package convenience init(path: String) throws(FileError) { try self.init(try InputFile(path: path)) }

    /// What the file says of a tensor.
    package func info(ofTensor index: Int) -> GGUFTensorInfo {
        let place = places[index]
        return parts[place.part].header.tensors[place.tensor]
    }

    /// Block type and decoded shape of a tensor that is listed by the bytes of its blocks; nil of one of a scalar type.
    package func blockType(ofTensor index: Int) -> (type: GGUFTensorType, shape: Shape)? {
        let info = info(ofTensor: index)
        return info.type.scalarType == nil ? (info.type, info.shape) : nil
    }

    package func fileIndex(ofTensor index: Int) -> Int { places[index].part }

    package func place(ofTensor index: Int) -> (file: Int, offset: Int)? {
        let place = places[index], part = parts[place.part]
        guard part.header.byteOrder == .little || part.header.tensors[place.tensor].type.bytesPerBlock == 1 else { return nil }
        return (place.part, part.offset(ofTensor: place.tensor))
    }

    package func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        let place = places[index]
        try parts[place.part].read(tensor: place.tensor, atByteOffset: offset, into: buffer)
    }
}
