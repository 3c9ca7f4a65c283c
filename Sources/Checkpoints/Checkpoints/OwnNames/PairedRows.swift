import Architectures
import ByteIO

/// Rows of heads that lie in pairs, as programs store them that rotate neighbours: read in the order of halves, as the model has them.
///
///     row c * D/2 + p of a head D rows high is its stored row 2p + c
enum PairedRows {
    /// Fills `buffer` with the bytes from `offset` of the rows in the order of the model.
    ///
    /// - Parameter stored: gives bytes of the rows as they lie; it is asked for one head at a time.
    static func read(
        atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer, rowByteCount: Int, headWidth: Int,
        stored: (Range<Int>) throws(FileError) -> [UInt8]
    ) throws(FileError) {
        guard rowByteCount > 0 else { return }
        let headByteCount = headWidth * rowByteCount
        var head: [UInt8] = []
        var headStart = -1
        var position = offset
        let end = offset + buffer.count
        while position < end {
            let row = position / rowByteCount, inRow = position % rowByteCount
            let start = position / headByteCount * headByteCount
            if start != headStart {
                head = try stored(start..<start + headByteCount)
                headStart = start
            }
            let place = GGUFSpelling.pairedRow(row % headWidth, headWidth: headWidth) * rowByteCount + inRow
            let count = min(rowByteCount - inRow, end - position)
            head.withUnsafeBytes { bytes in
                UnsafeMutableRawBufferPointer(rebasing: buffer[position - offset..<position - offset + count])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[place..<place + count]))
            }
            position += count
        }
    }
}

/// Rows of heads of one matrix for queries, keys and values, as GGUF files order them: read in the order of the model.
enum GroupedRows {
    /// Fills `buffer` with the bytes from `offset` of the rows in the order of the model.
    ///
    /// - Parameter stored: reads bytes of the rows as they lie from an offset on; it is asked for one head at most at a time.
    static func read(
        atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer, rowByteCount: Int, _ heads: GroupedHeads,
        stored: (_ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Void
    ) throws(FileError) {
        let headByteCount = heads.headWidth * rowByteCount, end = offset + buffer.count
        var position = offset
        while position < end {
            let (head, inHead) = position.quotientAndRemainder(dividingBy: headByteCount)
            let count = min(headByteCount - inHead, end - position)
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[position - offset..<position - offset + count])
            try stored(heads.stored(head) * headByteCount + inHead, part)
            position += count
        }
    }
}
