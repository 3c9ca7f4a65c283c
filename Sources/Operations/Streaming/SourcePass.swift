package import ByteIO
package import Checkpoints
package import JSONText
import Parallelism
import TensorCore

/// The one pass over a source: what is read of it is counted, and what nobody needed is read at the end.
///
/// So every stored tensor is read completely and once, however the work is cut, and its checksum can be compared with the one that
/// the source keeps and told in the lineage. Pieces that are read again (by a second look at a weight) count once. Of a tensor that
/// several passes share, each has a window.
package struct SourcePass: Sendable {
    package let checkpoint: Checkpoint
    private let table: ChecksumTable
    private let resources: Resources
    /// Bytes of stored tensors that are all that is read of these.
    private let windows: [Int: Range<Int>]

    package init(_ checkpoint: Checkpoint, windows: [Int: Range<Int>] = [:], resources: Resources) {
        self.checkpoint = checkpoint
        self.windows = windows
        self.resources = resources
        table = ChecksumTable(tensorCount: checkpoint.source.tensors.count)
    }

    /// Counts bytes of a stored tensor that came by, from byte `offset` of it on.
    package func count(_ bytes: UnsafeRawBufferPointer, tensor index: Int, atByteOffset offset: Int) {
        let place = offset - window(of: index).lowerBound
        precondition(place >= 0 && place + bytes.count <= window(of: index).count, "what is read of a tensor lies in its window")
        if table.recordOnce(bytes, tensor: index, atByteOffset: place) { resources.progress(bytes.count) }
    }

    /// Fills `buffer` with bytes of a stored tensor from byte `offset` of it on, and counts them.
    package func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        try checkpoint.source.read(tensor: index, atByteOffset: offset, into: buffer)
        count(UnsafeRawBufferPointer(buffer), tensor: index, atByteOffset: offset)
    }

    /// Pieces of a stored tensor as they are read for their bytes alone.
    ///
    /// - Parameter limit: bytes of one; nil for what the resources allow.
    package func byteRanges(ofTensor index: Int, limit: Int? = nil) -> [Range<Int>] {
        Chunks.ranges(window(of: index), limit: limit ?? 4 * resources.chunkElementCount, unit: 1)
    }

    private func window(of index: Int) -> Range<Int> { windows[index] ?? 0..<checkpoint.source.tensors[index].byteCount }

    /// Reads what was not read yet; returns the checksum of every stored tensor. One that differs from the stored one is an error.
    package func finish() throws -> [CRC32C] { try finish(Array(checkpoint.source.tensors.indices)) }

    /// The same for some of the stored tensors; what came by of others is not looked at. The checksum of a window is compared with none.
    package func finish(_ tensors: [Int]) throws -> [CRC32C] {
        try readRest(of: tensors)
        let source = checkpoint.source
        var result: [CRC32C] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        for index in tensors {
            let info = source.tensors[index]
            guard let computed = table.checksum(ofTensor: index, byteCount: window(of: index).count) else {
                throw FileError(checkpoint.path, at: "tensor '\(info.name)'", "gave other bytes when it was read again")
            }
            result.append(computed)
            guard windows[index] == nil else { continue }
            if let stored = checkpoint.storedChecksum(ofTensor: index), stored != computed {
                throw FileError(
                    checkpoint.path, at: "tensor '\(info.name)'", "its checksum is \(computed), but the file says \(stored)",
                    hint: "the file is damaged; fetch it again")
            }
            try source.verifyPartChecksums(ofTensor: index, buffer: buffer)
        }
        return result
    }

    private func readRest(of tensors: [Int]) throws {
        var jobs: [(tensor: Int, range: Range<Int>)] = []
        for index in tensors {
            guard table.checksum(ofTensor: index, byteCount: window(of: index).count) == nil else { continue }
            table.reset(index)
            jobs += byteRanges(ofTensor: index).map { (tensor: index, range: $0) }
        }
        guard !jobs.isEmpty else { return }
        let scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: 1)
        try resources.pool.forEach(count: jobs.count) { [jobs] number, worker in
            let (tensor, range) = jobs[number]
            try read(
                tensor: tensor, atByteOffset: range.lowerBound, into: scratch.buffer(worker: worker, slot: 0, byteCount: range.count))
        }
    }

    /// What the lineage says of a source: kind, fingerprint, and each file with its size and the fingerprint of what it holds.
    package static func lineage(of checkpoint: Checkpoint, checksums: [CRC32C]?) -> JSONValue {
        SourceDescription(checkpoint).document(checksums: checksums)
    }
}
