import ByteIO
import CKernels
import Checkpoints
import Compression
import TensorCore

/// What the undo record gets of one dense tensor, chunk by chunk.
///
/// Where low-rank deltas alone were added, they are kept, and of each chunk only the few elements to which subtracting them
/// does not lead back; anything else is kept as the difference of the bytes.
struct DenseUndoing: Sendable {
    private struct Kept: Sendable {
        let name: String
        let byteCount: Int
        let chunkByteCount: Int
        /// Of the factors, two for each term, then of the chunks.
        let streams: UndoRecordWriter.ItemSequence
    }

    /// Streams of factors that come before those of the chunks: two for each term.
    let factorCount: Int
    private let chunkCount: Int
    private let kept: Kept?
    private let type: ScalarType
    private let subtracted: DeltaFactors?

    var isNeeded: Bool { kept != nil }
    /// Whether undoing begins by subtracting the delta.
    var subtracts: Bool { kept != nil && subtracted != nil }
    /// Factors first, then chunks.
    var jobCount: Int { factorCount + chunkCount }

    /// - Parameter previous: the base's tensor; nil where nothing is to be kept.
    init(_ previous: LogicalTensor?, target: MergeTarget?, info: TensorInfo, ranges: [Range<Int>], run: MergeRun) throws {
        chunkCount = ranges.count
        type = info.scalarType
        guard let undo = run.undo, let previous, case .plain = previous.storage, let target else {
            (kept, subtracted, factorCount) = (nil, nil, 0)
            return
        }
        let size = info.scalarType.bitCount / 8
        subtracted = target.addedFactors
        factorCount = 2 * (subtracted?.terms.count ?? 0)
        kept = Kept(
            name: info.name, byteCount: info.byteCount, chunkByteCount: (ranges.first?.count ?? 0) * size,
            streams: undo.sequence(count: factorCount + chunkCount))
    }

    /// One of the factors, compressed by whoever has the time.
    func writeFactor(_ index: Int) throws {
        guard let subtracted, let kept else { return }
        let term = subtracted.terms[index / 2]
        let values = index % 2 == 0 ? term.left : term.right
        try values.withUnsafeBytes { try kept.streams.set($0, index, .numbers) }
    }

    /// - Parameters:
    ///   - before: the base's bytes of the chunk.
    ///   - found: what undoing begins with: the merged bytes, or where the delta is subtracted, what that gives.
    ///   - room: for a difference at its longest.
    func writeChunk(
        _ chunk: Int, before: UnsafeRawBufferPointer, found: UnsafeRawBufferPointer, room: UnsafeMutableRawBufferPointer
    ) throws {
        guard let kept else { return }
        try kept.streams.set(difference: SparseDifference.encode(before, from: found, room: room), factorCount + chunk)
    }

    /// The entry of the directory, once all chunks are written.
    var tensor: UndoDirectory.Tensor? {
        guard let kept else { return nil }
        var items = kept.streams.items
        var method = UndoDirectory.Method.difference
        if let subtracted {
            let terms = subtracted.terms.enumerated().map { number, term in
                let byteCounts = Array(items.byteCounts[2 * number..<2 * number + 2])
                defer { items.offset += byteCounts[0] + byteCounts[1] }
                return UndoDirectory.Term(
                    rank: term.rank, scale: term.scale, factors: UndoDirectory.Items(offset: items.offset, byteCounts: byteCounts))
            }
            items.byteCounts.removeFirst(factorCount)
            method = .subtraction(type, columns: subtracted.columns, matrices: subtracted.matrixCount, terms)
        }
        return UndoDirectory.Tensor(
            name: kept.name, method: method, byteCount: kept.byteCount, chunkByteCount: kept.chunkByteCount, items: items)
    }
}
