package import ByteIO
import JSONText
import TensorCore

/// The header of a GGUF file, validated completely.
///
///     0       4         8                 16               24
///     +-------+---------+-----------------+----------------+----------+--------------+---------+-----------------+
///     | GGUF  | version | tensors: count  | keys: count    | keys     | tensors,     | zeros   | data of the     |
///     |       | u32     | i64             | i64            |          | described    |         | tensors, padded |
///     +-------+---------+-----------------+----------------+----------+--------------+---------+-----------------+
///                                                                                 multiple of the alignment
///     key      length u64, bytes | type u32 | value
///     tensor   length u64, bytes of the name | dimensions: count u32 | dimensions i64, the row length first | type u32 | offset u64
package struct GGUFHeader: Sendable {
    package let version: Int
    package let byteOrder: ByteOrder
    package let metadata: GGUFMetadata
    /// In the order of their data.
    package let tensors: [GGUFTensorInfo]
    package let alignment: Int
    /// First byte of the data, from the start of the file.
    package let dataStart: Int

    /// Real files have less than a hundred keys, and some thousand tensors: experts lie in one.
    package static let keyCountLimit = 1 << 16
    package static let tensorCountLimit = 1 << 18
    static let keyByteCountLimit = 1 << 20
    /// llama.cpp has room for as many and a zero.
    package static let nameByteCountLimit = 63
    package static let rankLimit = 4
    package static let defaultAlignment = 32

    package static let alignmentKey = "general.alignment"

    package init(_ file: InputFile) throws(FileError) {
        guard file.byteCount >= 24 else {
            throw FileError(file.path, "has \(file.byteCount) bytes, but a GGUF file has at least 24", hint: HeaderCursor.cutHint)
        }
        var cursor = HeaderCursor(file)
        (version, byteOrder) = try Self.version(&cursor)
        let tensorCount = try Self.count(&cursor, of: "tensors", limit: Self.tensorCountLimit)
        let keyCount = try Self.count(&cursor, of: "keys", limit: Self.keyCountLimit)
        try Self.check(keyCount, of: "keys", leastByteCount: 8 + 1 + 4 + 1, at: 16, &cursor)
        metadata = try Self.metadata(&cursor, count: keyCount)
        try Self.check(tensorCount, of: "tensors", leastByteCount: 8 + 1 + 4 + 4 + 8, at: 8, &cursor)
        alignment =
            try metadata[Self.alignmentKey].map { (value) throws(FileError) in
                try Self.alignment(value, path: file.path)
            } ?? Self.defaultAlignment
        tensors = try Self.tensors(&cursor, count: tensorCount, alignment: alignment)
        // The header lies in the file, and the alignment is below 2^32.
        dataStart = (cursor.offset + alignment - 1) / alignment * alignment
        try checkData(file, headerEnd: cursor.offset)
        if !tensors.isEmpty { try Self.checkPadding(of: file, after: cursor, upTo: dataStart) }
    }

    private static func version(_ cursor: inout HeaderCursor) throws(FileError) -> (version: Int, byteOrder: ByteOrder) {
        let magic = try cursor.integer(UInt32.self, "the magic")
        guard magic == 0x4655_4747 else {
            let bytes = (0..<4).map { UInt8(truncatingIfNeeded: magic >> (8 * $0)) }
            let shown = bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined(separator: " ")
            throw cursor.failure("the file begins with the bytes \(shown), but a GGUF file begins with 47 47 55 46", at: 0)
        }
        var version = try cursor.integer(UInt32.self, "the version")
        var order = ByteOrder.little
        // The versions there are fit the lower half, and so show which end comes first.
        if version != 0, version & 0xffff == 0 { (version, order) = (version.byteSwapped, .big) }
        guard version != 1 else {
            throw cursor.failure(
                "the version is 1, but only 2 and 3 are read", at: 4, hint: "convert the model again, from its safetensors files")
        }
        guard version == 2 || version == 3 else {
            let written = order == .big ? " (in the byte order of big-endian machines)" : ""
            throw cursor.failure("the version is \(version)\(written), but only 2 and 3 are read", at: 4)
        }
        cursor.order = order
        return (Int(version), order)
    }

    private static func count(_ cursor: inout HeaderCursor, of noun: String, limit: Int) throws(FileError) -> Int {
        let start = cursor.offset
        let count = try cursor.integer(Int64.self, "the count of \(noun)")
        guard count >= 0 else { throw cursor.failure("the count of \(noun) is \(count)", at: start) }
        guard count <= limit else {
            throw cursor.failure("the count of \(noun) is \(count), but at most \(limit) are read", at: start)
        }
        return Int(count)
    }

    private static func check(
        _ count: Int, of noun: String, leastByteCount: Int, at place: Int, _ cursor: inout HeaderCursor
    ) throws(FileError) {
        guard count <= cursor.remainingCount / leastByteCount else {
            throw cursor.failure(
                "\(count) \(noun) take \(count * leastByteCount) bytes or more from byte \(cursor.offset) on, "
                    + "but \(cursor.remainingCount) follow", at: place, hint: HeaderCursor.cutHint)
        }
    }

    private static func metadata(_ cursor: inout HeaderCursor, count: Int) throws(FileError) -> GGUFMetadata {
        var entries: [GGUFMetadata.Entry] = []
        var positions: [ByteKey: Int] = [:]
        var textByteCount = 0
        for number in 0..<count {
            let start = cursor.offset
            let key = try cursor.string(limit: keyByteCountLimit, "key \(number)")
            guard !key.isEmpty else { throw cursor.failure("key \(number) is empty", at: start) }
            guard !key.utf8.contains(0) else { throw cursor.failure("key '\(JSONError.excerpt(key))' holds a NUL character", at: start) }
            guard positions.updateValue(number, forKey: ByteKey(key)) == nil else {
                throw cursor.failure("key '\(JSONError.excerpt(key))' stands in the file for the second time", at: start)
            }
            let type = try cursor.valueType("key '\(JSONError.excerpt(key))'")
            let value = try cursor.value(type, "key '\(JSONError.excerpt(key))'")
            textByteCount += key.utf8.count + (value.string?.utf8.count ?? 0)
            guard textByteCount <= HeaderCursor.textByteCountLimit else {
                throw cursor.failure(
                    "keys and texts have \(textByteCount) bytes up to here, but at most \(HeaderCursor.textByteCountLimit) are read")
            }
            entries.append(GGUFMetadata.Entry(key, value))
        }
        return GGUFMetadata(entries: entries, positions: positions, path: cursor.path)
    }

    /// - Parameter value: of `general.alignment`.
    static func alignment(_ value: GGUFValue, path: String) throws(FileError) -> Int {
        guard case .u32(let alignment) = value else {
            throw FileError(path, at: "key '\(alignmentKey)'", "is \(value.typeName), but u32 is expected")
        }
        guard alignment.nonzeroBitCount == 1 else {
            throw FileError(path, at: "key '\(alignmentKey)'", "is \(alignment), but a power of two is expected")
        }
        return Int(alignment)
    }

    /// Zeros fill the space up to the data. Anything else may be the description of a tensor that was not counted, which would stand at the
    /// beginning: of 2 GiB, which an alignment may ask for, no more is looked at.
    private static func checkPadding(of file: InputFile, after cursor: HeaderCursor, upTo end: Int) throws(FileError) {
        let bytes = try file.bytes(atOffset: cursor.offset, count: min(end - cursor.offset, HeaderCursor.windowByteCount))
        guard let place = bytes.firstIndex(where: { $0 != 0 }) else { return }
        throw cursor.failure(
            "the header ends at byte \(cursor.offset) and the data begins at \(end), but byte \(bytes[place]) stands here in place of zeros",
            at: cursor.offset + place, hint: "the counts of keys and tensors are not those of the file; fetch it again")
    }

    /// The data lies in the file as a whole. The padding behind the last tensor may be missing, and more may follow.
    private func checkData(_ file: InputFile, headerEnd: Int) throws(FileError) {
        guard let last = tensors.last else {
            guard file.byteCount <= dataStart else {
                throw FileError(
                    file.path, at: "byte 8",
                    "there are no tensors, but \(file.byteCount - headerEnd) bytes follow the header, which ends at \(headerEnd)",
                    hint: "the file was begun, and never finished; fetch it again")
            }
            return
        }
        // The parser has checked the sum within the data.
        let (end, overflow) = (last.dataOffset + last.byteCount).addingReportingOverflow(dataStart)
        guard !overflow, end <= file.byteCount else {
            throw FileError(
                file.path, at: "tensor '\(JSONError.excerpt(last.name))'",
                "the data begins at byte \(dataStart) and this tensor ends \(last.dataOffset + last.byteCount) bytes later, "
                    + "but the file has \(file.byteCount)", hint: HeaderCursor.cutHint)
        }
    }
}
