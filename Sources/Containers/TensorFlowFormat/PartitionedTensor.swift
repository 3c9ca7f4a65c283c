import ByteIO

/// A tensor kept in slices that cover it once.
struct PartitionedTensor: Sendable {
    struct Piece: Sendable {
        let slice: TensorSlice
        let run: StoredRun
        /// Nil for a slice without elements.
        let layout: SliceLayout?
    }

    /// Slices of one tensor at most; TensorFlow makes as many as there are devices or rows asked for.
    static let pieceLimit = 16_384

    let pieces: [Piece]

    /// Why slices do not make up a tensor.
    enum Flaw: Error, Hashable {
        case overlap(TensorSlice, TensorSlice)
        case gap(coveredElementCount: Int)
    }

    /// Checks that boxes within a tensor of `elementCount` elements cover each of them once.
    static func requireCover(_ slices: [TensorSlice], _ boxes: [SliceBox], elementCount: Int) throws(Flaw) {
        guard elementCount > 0 else { return }
        let filled = boxes.indices.filter { !boxes[$0].lengths.contains(0) }
        // A sweep along one axis compares a box with those it shares that axis with; the axis with the most different
        // starts leaves the fewest.
        let rank = boxes.first?.starts.count ?? 0
        let startCounts = (0..<rank).map { axis in Set(filled.map { boxes[$0].starts[axis] }).count }
        let axis = startCounts.indices.max { startCounts[$0] < startCounts[$1] }
        let order = axis.map { axis in filled.sorted { boxes[$0].starts[axis] < boxes[$1].starts[axis] } } ?? filled
        var open: [Int] = []
        var covered = 0
        for index in order {
            if let axis { open.removeAll { boxes[$0].starts[axis] + boxes[$0].lengths[axis] <= boxes[index].starts[axis] } }
            if let other = open.first(where: { boxes[$0].overlaps(boxes[index]) }) {
                throw .overlap(slices[other], slices[index])
            }
            open.append(index)
            // Boxes that share nothing hold no more elements than the tensor: neither step overflows.
            covered += boxes[index].lengths.reduce(1, *)
        }
        guard covered == elementCount else { throw .gap(coveredElementCount: covered) }
    }

    /// Index into the bundle's files of the one that holds the first byte.
    var firstFile: Int {
        let first = pieces.first { $0.layout?.range.lowerBound == 0 } ?? pieces.first
        return first?.run.file ?? 0
    }

    /// Fills `buffer` with the bytes of the tensor from `offset` on.
    func read(
        atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer, from files: [InputFile]
    ) throws(FileError) {
        let wanted = offset..<offset + buffer.count
        for piece in pieces {
            guard let layout = piece.layout, layout.range.overlaps(wanted) else { continue }
            try read(piece, layout, wanted, into: buffer, from: files[piece.run.file])
        }
    }

    /// Copies the bytes that a piece has within `wanted`; short runs come through a scratch buffer, many to a read.
    private func read(
        _ piece: Piece, _ layout: SliceLayout, _ wanted: Range<Int>, into buffer: UnsafeMutableRawBufferPointer,
        from file: InputFile
    ) throws(FileError) {
        let directByteCount = 32 << 10
        let scratchByteCount = 256 << 10
        let end = layout.byteCount(before: wanted.upperBound)
        var next = layout.byteCount(before: wanted.lowerBound)
        if layout.runByteCount >= directByteCount {
            while next < end {
                let count = min(layout.runByteCount - next % layout.runByteCount, end - next)
                let place = layout.position(ofByte: next) - wanted.lowerBound
                try file.read(atOffset: piece.run.offset + next, into: .init(rebasing: buffer[place..<place + count]))
                next += count
            }
            return
        }
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: min(scratchByteCount, end - next), alignment: 16)
        defer { scratch.deallocate() }
        while next < end {
            let chunk = UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(scratch.count, end - next)])
            try file.read(atOffset: piece.run.offset + next, into: chunk)
            var done = 0
            while done < chunk.count {
                let count = min(layout.runByteCount - (next + done) % layout.runByteCount, chunk.count - done)
                let place = layout.position(ofByte: next + done) - wanted.lowerBound
                buffer[place..<place + count].copyBytes(from: chunk[done..<done + count])
                done += count
            }
            next += chunk.count
        }
    }
}
