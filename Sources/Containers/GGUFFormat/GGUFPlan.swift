package import ByteIO
import JSONText
package import TensorCore

/// A tensor that is to be written.
package struct GGUFPlannedTensor: Sendable, Hashable {
    package let name: String
    package let type: GGUFTensorType
    /// Of the elements, row-major.
    package let shape: Shape

    package init(name: String, type: GGUFTensorType, shape: Shape) {
        self.name = name
        self.type = type
        self.shape = shape
    }
}

/// What one file is to hold: every byte of it is known but the data.
package struct GGUFPlan: Sendable {
    package let metadata: [GGUFMetadata.Entry]
    /// In the order of their data.
    package let tensors: [GGUFTensorInfo]
    /// Of the metadata's `general.alignment`, or the format's own.
    package let alignment: Int
    /// Bytes up to the padding before the data.
    let headerByteCount: Int
    /// First byte of the data, from the start of the file.
    package let dataStart: Int
    /// Bytes of the file.
    package let byteCount: Int

    /// - Parameter path: of the file, for messages.
    /// - Throws: where a reader would refuse such a file.
    package init(metadata: [GGUFMetadata.Entry], tensors: [GGUFPlannedTensor], path: String) throws(FileError) {
        self.metadata = metadata
        try Self.check(metadata, path: path)
        alignment = try Self.alignment(metadata, path: path)
        (self.tensors, headerByteCount, dataStart, byteCount) = try Self.place(
            tensors, keysByteCount: 24 + metadata.reduce(0) { $0 + Self.byteCount($1) }, alignment: alignment, path: path)
    }

    /// Bytes of a key with its value.
    static func byteCount(_ entry: GGUFMetadata.Entry) -> Int {
        let value =
            switch entry.value {
            case .string(let text): 8 + text.utf8.count
            case .array(let array): 12 + array.byteCount
            default: entry.value.type.byteCount ?? 0
            }
        return 8 + entry.key.utf8.count + 4 + value
    }

    /// Bytes of a description.
    static func byteCount(_ tensor: GGUFPlannedTensor) -> Int { 8 + tensor.name.utf8.count + 4 + 8 * tensor.shape.dimensions.count + 4 + 8 }

    static func padded(_ byteCount: Int, to alignment: Int) -> Int { (byteCount + alignment - 1) / alignment * alignment }

    private static func check(_ metadata: [GGUFMetadata.Entry], path: String) throws(FileError) {
        guard metadata.count <= GGUFHeader.keyCountLimit else {
            throw FileError(path, "there would be \(metadata.count) keys, but readers refuse more than \(GGUFHeader.keyCountLimit)")
        }
        var keys = Set<ByteKey>(minimumCapacity: metadata.count)
        var textByteCount = 0
        for entry in metadata {
            func failure(_ message: String) -> FileError { FileError(path, at: "key '\(JSONError.excerpt(entry.key))'", message) }
            guard !entry.key.isEmpty, entry.key.utf8.count <= GGUFHeader.keyByteCountLimit, !entry.key.utf8.contains(0) else {
                throw failure("is no key: 1 to \(GGUFHeader.keyByteCountLimit) bytes are expected, and none of them NUL")
            }
            guard keys.insert(ByteKey(entry.key)).inserted else { throw failure("would stand in the file twice") }
            if case .array(let array) = entry.value, array.itemType == .array {
                throw failure("is an array of arrays, which most programs refuse to read")
            }
            textByteCount += entry.key.utf8.count + (entry.value.string?.utf8.count ?? 0)
            guard textByteCount <= HeaderCursor.textByteCountLimit else {
                throw failure(
                    "keys and texts have \(textByteCount) bytes up to here, but at most \(HeaderCursor.textByteCountLimit) are read")
            }
        }
    }

    private static func alignment(_ metadata: [GGUFMetadata.Entry], path: String) throws(FileError) -> Int {
        guard let entry = metadata.first(where: { $0.key == GGUFHeader.alignmentKey }) else { return GGUFHeader.defaultAlignment }
        return try GGUFHeader.alignment(entry.value, path: path)
    }

    private static func place(
        _ planned: [GGUFPlannedTensor], keysByteCount: Int, alignment: Int, path: String
    ) throws(FileError) -> (tensors: [GGUFTensorInfo], headerByteCount: Int, dataStart: Int, byteCount: Int) {
        guard planned.count <= GGUFHeader.tensorCountLimit else {
            throw FileError(path, "there would be \(planned.count) tensors, but readers refuse more than \(GGUFHeader.tensorCountLimit)")
        }
        let headerByteCount = planned.reduce(keysByteCount) { $0 + byteCount($1) }
        var names = Set<ByteKey>(minimumCapacity: planned.count)
        var tensors: [GGUFTensorInfo] = []
        tensors.reserveCapacity(planned.count)
        var end = 0
        for tensor in planned {
            func failure(_ message: String) -> FileError { FileError(path, at: "tensor '\(JSONError.excerpt(tensor.name))'", message) }
            let nameByteCount = tensor.name.utf8.count
            guard nameByteCount > 0, nameByteCount <= GGUFHeader.nameByteCountLimit, !tensor.name.utf8.contains(0) else {
                throw failure(
                    "the name has \(nameByteCount) bytes, but 1 to \(GGUFHeader.nameByteCountLimit) are possible in a GGUF file, and none of them NUL"
                )
            }
            guard names.insert(ByteKey(tensor.name)).inserted else { throw failure("two tensors would have this name") }
            guard tensor.shape.dimensions.count <= GGUFHeader.rankLimit else {
                throw failure("has \(tensor.shape.dimensions.count) dimensions, but a GGUF file has at most \(GGUFHeader.rankLimit)")
            }
            let info: GGUFTensorInfo
            do throws(GGUFTensorInfo.Refusal) {
                info = try GGUFTensorInfo(name: tensor.name, type: tensor.type, shape: tensor.shape, dataOffset: end)
            } catch { throw failure(error.message) }
            // Far beyond any disk; half of the range leaves room for the header and the padding in every later sum.
            guard info.byteCount <= Int.max / 2 - end else { throw FileError(path, "the tensors together are longer than any file can be") }
            end = padded(end + info.byteCount, to: alignment)
            tensors.append(info)
        }
        // A file without tensors ends with its keys.
        let dataStart = tensors.isEmpty ? headerByteCount : padded(headerByteCount, to: alignment)
        return (tensors, headerByteCount, dataStart, dataStart + end)
    }
}
