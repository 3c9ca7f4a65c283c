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

        func knows(_ offset: Int, of index: Int) -> Bool { offset < byteCounts[index] || waiting[index]?[offset] != nil }
    }

    private let state: Mutex<State>

    package init(tensorCount: Int) {
        state = Mutex(State(checksums: Array(repeating: CRC32C(), count: tensorCount), byteCounts: Array(repeating: 0, count: tensorCount)))
    }

    /// Counts bytes of tensor `index` that begin at byte `offset` of it; none may come by twice.
    package func record(_ bytes: UnsafeRawBufferPointer, tensor index: Int, atByteOffset offset: Int = 0) {
        guard !bytes.isEmpty else { return }
        let piece = Piece(byteCount: bytes.count, checksum: CRC32C(of: bytes))
        state.withLock { Self.add(piece, at: offset, to: &$0, index) }
    }

    /// The same, unless a piece that begins there was counted already.
    ///
    /// - Returns: whether it is counted.
    package func recordOnce(_ bytes: UnsafeRawBufferPointer, tensor index: Int, atByteOffset offset: Int) -> Bool {
        guard !bytes.isEmpty, state.withLock({ !$0.knows(offset, of: index) }) else { return false }
        let piece = Piece(byteCount: bytes.count, checksum: CRC32C(of: bytes))
        return state.withLock { state in
            guard !state.knows(offset, of: index) else { return false }
            Self.add(piece, at: offset, to: &state, index)
            return true
        }
    }

    private static func add(_ piece: Piece, at offset: Int, to state: inout State, _ index: Int) {
        guard offset == state.byteCounts[index] else {
            state.waiting[index, default: [:]][offset] = piece
            return
        }
        append(piece, to: &state, index)
        while let next = state.waiting[index]?.removeValue(forKey: state.byteCounts[index]) { append(next, to: &state, index) }
        if state.waiting[index]?.isEmpty == true { state.waiting[index] = nil }
    }

    /// Forgets what came by of a tensor.
    package func reset(_ index: Int) {
        state.withLock { state in
            (state.checksums[index], state.byteCounts[index]) = (CRC32C(), 0)
            state.waiting[index] = nil
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
