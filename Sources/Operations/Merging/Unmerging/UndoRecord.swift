import ByteIO
import Compression
import JSONText
import TensorCore

/// An undo record that was opened: its checksums are right and its directory is sound.
struct UndoRecord: Sendable {
    let directory: UndoDirectory
    private let source: any TensorSource
    private let tensor: Int
    private let place: String
    /// Positions in the directory.
    private let entries: [ByteKey: Int]

    /// Longer ones would describe more files than any model has.
    private static let directoryByteCountLimit = 1 << 30

    /// Reads the whole record once: nothing is undone by one that is damaged.
    init(_ source: any TensorSource, tensor: Int) throws(FileError) {
        let info = source.tensors[tensor]
        let place = "undo record '\(JSONError.excerpt(info.name))'"
        func damage(_ message: String) -> FileError {
            FileError(source.path, at: place, message, hint: "the record is damaged: take the base from elsewhere")
        }
        guard info.scalarType == .u8, info.byteCount >= UndoRecordWriter.footerByteCount else {
            throw damage("is \(info.scalarType.rawValue) with \(info.byteCount) bytes, but a record is U8 with at least 32")
        }
        let end = info.byteCount - UndoRecordWriter.footerByteCount
        let footer = try source.bytes(ofTensor: tensor, end..<info.byteCount)
        var reader = ByteReader(footer)
        let fields: (offset: UInt64, byteCount: UInt64, checksum: UInt32, own: UInt32)
        do {
            guard Array(try reader.run(count: 8)) == UndoRecordWriter.magic else { throw damage("does not end as a record does") }
            fields = (try reader.uint64(), try reader.uint64(), try reader.uint32(), try reader.uint32())
        } catch let error as ByteReader.Failure { throw error.inFile(source.path) } catch let error as FileError { throw error } catch {
            preconditionFailure("no other error is thrown here")
        }
        let computed = CRC32C(of: Array(footer[..<28]))
        guard computed.value == fields.own else {
            throw damage("the checksum of its end is \(computed), but it says \(CRC32C(value: fields.own))")
        }
        guard fields.offset <= UInt64(end), fields.byteCount == UInt64(end) - fields.offset else {
            throw damage("its directory is to lie at byte \(fields.offset) with \(fields.byteCount) bytes, but the record ends at \(end)")
        }
        let found = try Self.checksum(of: source, tensor: tensor, byteCount: end)
        guard found.value == fields.checksum else {
            throw damage("its checksum is \(found), but it says \(CRC32C(value: fields.checksum))")
        }
        let payloadByteCount = Int(fields.offset)
        let stream = try source.bytes(ofTensor: tensor, payloadByteCount..<end)
        guard let text = ZlibStream.decompress(stream, limit: Self.directoryByteCountLimit) else {
            throw damage("its directory is no zlib stream")
        }
        do throws(UndoDirectory.Problem) {
            directory = try UndoDirectory(parsing: text, payloadByteCount: payloadByteCount)
        } catch {
            throw damage("its directory: \(error.message)")
        }
        entries = Dictionary(uniqueKeysWithValues: directory.tensors.enumerated().map { (ByteKey($1.name), $0) })
        self.source = source
        self.tensor = tensor
        self.place = place
    }

    /// The content of stream `index` of `items`, of at most `limit` bytes.
    func content(_ items: UndoDirectory.Items, _ index: Int, limit: Int) throws(FileError) -> [UInt8] {
        let offset = items.offset + items.byteCounts[..<index].reduce(0, +)
        let stream = try source.bytes(ofTensor: tensor, offset..<offset + items.byteCounts[index])
        guard let content = ZlibStream.decompress(stream, limit: limit) else {
            throw problem("the stream at byte \(offset) is no zlib stream of at most \(limit) bytes")
        }
        return content
    }

    /// How to undo a stored tensor of this name; nil where the merge did not touch it.
    func entry(_ name: String) -> UndoDirectory.Tensor? { entries[ByteKey(name)].map { directory.tensors[$0] } }

    /// An error at this record.
    func problem(_ message: String) -> FileError { FileError(source.path, at: place, message) }

    private static func checksum(of source: any TensorSource, tensor: Int, byteCount: Int) throws(FileError) -> CRC32C {
        var checksum = CRC32C()
        let step = 1 << 20
        for start in stride(from: 0, to: byteCount, by: step) {
            checksum.append(try source.bytes(ofTensor: tensor, start..<min(start + step, byteCount)))
        }
        return checksum
    }
}
