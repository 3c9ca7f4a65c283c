import ByteIO
import JSONText
import TensorCore

extension GGUFHeader {
    /// The descriptions of all tensors; each begins where the one before it ends, padded.
    static func tensors(_ cursor: inout HeaderCursor, count: Int, alignment: Int) throws(FileError) -> [GGUFTensorInfo] {
        var tensors: [GGUFTensorInfo] = []
        tensors.reserveCapacity(count)
        var names = Set<ByteKey>(minimumCapacity: count)
        var end = 0
        for number in 0..<count {
            let info = try tensor(&cursor, number: number, expectedOffset: end, alignment: alignment)
            guard names.insert(ByteKey(info.name)).inserted else {
                throw failure(cursor, info.name, "is described for the second time")
            }
            let (unpadded, overflow) = info.dataOffset.addingReportingOverflow(info.byteCount)
            guard !overflow, unpadded <= Int.max - alignment else {
                throw failure(cursor, info.name, "begins at \(info.dataOffset) and has \(info.byteCount) bytes, which no file can hold")
            }
            end = (unpadded + alignment - 1) / alignment * alignment
            tensors.append(info)
        }
        return tensors
    }

    private static func tensor(
        _ cursor: inout HeaderCursor, number: Int, expectedOffset: Int, alignment: Int
    ) throws(FileError) -> GGUFTensorInfo {
        let start = cursor.offset
        let name = try cursor.string(limit: nameByteCountLimit, "the name of tensor \(number)")
        guard !name.isEmpty else { throw cursor.failure("the name of tensor \(number) is empty", at: start) }
        guard !name.utf8.contains(0) else { throw failure(cursor, name, "the name holds a NUL character") }
        let rank = try cursor.integer(UInt32.self, "the count of dimensions of tensor '\(name)'")
        guard rank <= rankLimit else { throw failure(cursor, name, "has \(rank) dimensions, but at most \(rankLimit) are possible") }
        var dimensions: [Int] = []
        for position in 0..<rank { dimensions.append(Int(try cursor.integer(Int64.self, "dimension \(position) of tensor '\(name)'"))) }
        let shape = try shape(dimensions, cursor, name)
        let id = try cursor.integer(UInt32.self, "the type of tensor '\(name)'")
        guard let type = GGUFTensorType.type(id: id) else {
            let refusal = GGUFTensorType.refusal(id: id)
            throw failure(cursor, name, refusal.message, hint: refusal.hint)
        }
        guard cursor.order == .little || type.scalarType != nil else {
            throw failure(
                cursor, name, "is of \(type) in the byte order of big-endian machines, whose blocks are not read",
                hint: "take the little-endian file of the same model")
        }
        let offset = try cursor.integer(UInt64.self, "the offset of tensor '\(name)'")
        guard offset == UInt64(expectedOffset) else {
            throw failure(
                cursor, name,
                "begins at \(offset) in the data, but \(number == 0 ? "the first tensor begins" : "the one before it ends") at "
                    + "\(expectedOffset)\(alignment > 1 && number > 0 ? ", padded to a multiple of \(alignment)" : "")")
        }
        do throws(GGUFTensorInfo.Refusal) {
            return try GGUFTensorInfo(name: name, type: type, shape: shape, dataOffset: expectedOffset)
        } catch {
            throw failure(cursor, name, error.message)
        }
    }

    /// The shape for dimensions in the order of the file.
    private static func shape(_ dimensions: [Int], _ cursor: HeaderCursor, _ name: String) throws(FileError) -> Shape {
        if let position = dimensions.firstIndex(where: { $0 < 0 }) {
            throw failure(cursor, name, "dimension \(position) is \(dimensions[position])")
        }
        // A zero hides no product that overflows, wherever it stands.
        let isSane = !dimensions.contains(0) || Shape(dimensions.map { max($0, 1) }) != nil
        guard isSane, let shape = Shape(dimensions.reversed()) else {
            throw failure(cursor, name, "dimensions \(dimensions) are more elements than can be counted (2^63 or more)")
        }
        return shape
    }

    private static func failure(_ cursor: HeaderCursor, _ name: String, _ message: String, hint: String? = nil) -> FileError {
        FileError(cursor.path, at: "tensor '\(JSONError.excerpt(name))'", message, hint: hint)
    }
}
