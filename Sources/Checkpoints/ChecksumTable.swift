package import ByteIO
import Synchronization

/// Checksums of tensors whose bytes come by in pieces, from several threads, in any order.
package final class ChecksumTable: Sendable {
    private struct Piece {
        let offset: Int
        let byteCount: Int
        let checksum: CRC32C
    }

    private let pieces: Mutex<[[Piece]]>

    package init(tensorCount: Int) {
        pieces = Mutex(Array(repeating: [], count: tensorCount))
    }

    /// Counts bytes of tensor `index` that begin at byte `offset` of it.
    package func record(_ bytes: UnsafeRawBufferPointer, tensor index: Int, atByteOffset offset: Int = 0) {
        let piece = Piece(offset: offset, byteCount: bytes.count, checksum: CRC32C(of: bytes))
        pieces.withLock { $0[index].append(piece) }
    }

    /// The checksum of a whole tensor of `byteCount` bytes; nil where not all of it came by, once.
    package func checksum(ofTensor index: Int, byteCount: Int) -> CRC32C? {
        let sorted = pieces.withLock { $0[index] }.sorted { $0.offset < $1.offset }
        var result = CRC32C()
        var end = 0
        for piece in sorted where piece.byteCount > 0 {
            guard piece.offset == end else { return nil }
            result.append(piece.checksum, byteCount: piece.byteCount)
            end += piece.byteCount
        }
        return end == byteCount ? result : nil
    }
}
