package import ByteIO
import Synchronization

/// Checksums of tensors whose bytes come by in pieces, from several threads, in any order.
package final class ChecksumTable: Sendable {
    private struct Piece {
        let byteCount: Int
        let checksum: CRC32C
    }

    private struct State {
        /// Of the first bytes of each tensor, as far as they came by without a gap.
        var checksums: [CRC32C]
        var byteCounts: [Int]
        /// Pieces further on, by tensor and offset: few, because workers take chunks in order.
        var waiting: [Int: [Int: Piece]] = [:]
    }

    private let state: Mutex<State>

    package init(tensorCount: Int) {
        state = Mutex(State(checksums: Array(repeating: CRC32C(), count: tensorCount), byteCounts: Array(repeating: 0, count: tensorCount)))
    }

    /// Counts bytes of tensor `index` that begin at byte `offset` of it.
    package func record(_ bytes: UnsafeRawBufferPointer, tensor index: Int, atByteOffset offset: Int = 0) {
        guard !bytes.isEmpty else { return }
        let piece = Piece(byteCount: bytes.count, checksum: CRC32C(of: bytes))
        state.withLock { state in
            guard offset == state.byteCounts[index] else {
                state.waiting[index, default: [:]][offset] = piece
                return
            }
            Self.append(piece, to: &state, index)
            while let next = state.waiting[index]?.removeValue(forKey: state.byteCounts[index]) { Self.append(next, to: &state, index) }
            if state.waiting[index]?.isEmpty == true { state.waiting[index] = nil }
        }
    }

    /// The checksum of a whole tensor of `byteCount` bytes; nil where not all of it came by, once.
    package func checksum(ofTensor index: Int, byteCount: Int) -> CRC32C? {
        state.withLock { state in
            state.waiting[index] == nil && state.byteCounts[index] == byteCount ? state.checksums[index] : nil
        }
    }

    private static func append(_ piece: Piece, to state: inout State, _ index: Int) {
        state.checksums[index].append(piece.checksum, byteCount: piece.byteCount)
        state.byteCounts[index] += piece.byteCount
    }
}
