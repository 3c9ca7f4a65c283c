import ByteIO
import Compression
import JSONText
import Synchronization

/// Writes an undo record in a stream: items as they become known, the directory and the footer last.
///
///     0             d                     e                                                    e + 32
///     +-------------+---------------------+----------------------------------------------------+
///     | items: zlib | directory: one zlib | "qnf-undo", d (u64), e - d (u64), CRC-32C of all   |
///     | streams     | stream of JSON      | before e (u32), CRC-32C of the 28 bytes before it  |
///     +-------------+---------------------+----------------------------------------------------+
///
/// Integers are little-endian.
final class UndoRecordWriter: Sendable {
    private struct State {
        var byteCount = 0
        var checksum = CRC32C()
    }

    static let magic = Array("qnf-undo".utf8)
    static let footerByteCount = 32

    /// Takes bytes of the record and where in it they go.
    typealias Write = @Sendable (_ bytes: [UInt8], _ offset: Int) throws -> Void

    private let write: Write
    private let state = Mutex(State())

    init(write: @escaping Write) {
        self.write = write
    }

    /// Writes one stream.
    func append(_ bytes: [UInt8], _ content: ZlibStream.Content) throws -> UndoDirectory.Items {
        try bytes.withUnsafeBytes { try append($0, content) }
    }

    func append(_ bytes: UnsafeRawBufferPointer, _ content: ZlibStream.Content) throws -> UndoDirectory.Items {
        let stream = ZlibStream.compress(bytes, content)
        return UndoDirectory.Items(offset: try append(stream: stream), byteCounts: [stream.count])
    }

    /// Writes a compressed stream and returns its offset.
    func append(stream: [UInt8]) throws -> Int {
        try state.withLock { state in
            let offset = state.byteCount
            try write(stream, offset)
            state.byteCount += stream.count
            state.checksum.append(stream)
            return offset
        }
    }

    /// Room for `count` streams that are made in any order, by several threads.
    func sequence(count: Int) -> ItemSequence { ItemSequence(self, count: count) }

    /// Writes directory and footer; returns the bytes of the record.
    func finish(_ directory: UndoDirectory) throws -> Int {
        let start = try append(stream: ZlibStream.compress(Array(directory.document.text(.compact).utf8), .text))
        return try state.withLock { state in
            func bytes<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] { withUnsafeBytes(of: value.littleEndian, Array.init) }
            var footer = Self.magic + bytes(UInt64(start)) + bytes(UInt64(state.byteCount - start)) + bytes(state.checksum.value)
            footer += bytes(CRC32C(of: footer).value)
            try write(footer, state.byteCount)
            return state.byteCount + footer.count
        }
    }

    /// Streams of one tensor: written in order, whatever the order in which they arrive.
    final class ItemSequence: Sendable {
        private struct State {
            var waiting: [Int: [UInt8]] = [:]
            var offset: Int?
            var byteCounts: [Int] = []
        }

        private let writer: UndoRecordWriter
        private let count: Int
        private let state = Mutex(State())

        fileprivate init(_ writer: UndoRecordWriter, count: Int) {
            self.writer = writer
            self.count = count
        }

        /// Stream `index` of the sequence, compressed here.
        func set(_ bytes: UnsafeRawBufferPointer, _ index: Int, _ content: ZlibStream.Content) throws {
            let stream = ZlibStream.compress(bytes, content)
            try state.withLock { state in
                state.waiting[index] = stream
                while let next = state.waiting.removeValue(forKey: state.byteCounts.count) {
                    let offset = try writer.append(stream: next)
                    if state.offset == nil { state.offset = offset }
                    state.byteCounts.append(next.count)
                }
            }
        }

        /// Likewise of an encoded `SparseDifference`.
        func set(difference: UnsafeRawBufferPointer, _ index: Int) throws {
            try set(difference, index, SparseDifference.content(of: difference))
        }

        /// Where they lie, once all are there; nothing else was written meanwhile.
        var items: UndoDirectory.Items {
            state.withLock { state in
                precondition(state.byteCounts.count == count, "\(state.byteCounts.count) of \(count) streams are there")
                return UndoDirectory.Items(offset: state.offset ?? 0, byteCounts: state.byteCounts)
            }
        }
    }
}
