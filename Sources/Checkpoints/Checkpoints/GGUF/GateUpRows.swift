import ByteIO

/// Gates and ups of all experts of a layer, two tensors of a GGUF file, as the one that they are elsewhere.
///
///     GGUF     gates  [E, I, ...]      ups  [E, I, ...]
///     here     [E, 2 I, ...]           of each expert its gates, then its ups; or a row of each in turn
struct GateUpRows: Sendable {
    /// Numbers of the tensors in the file.
    let gate: Int
    let up: Int
    /// I.
    let rowCount: Int
    /// Of one row; of biases, of one element.
    let rowByteCount: Int
    /// Whether gates and ups stand in turn.
    let alternates: Bool

    /// Bytes that are put together at a time.
    private static let pieceByteCount = 1 << 20

    /// Fills `buffer` with the bytes from `offset` of the one tensor on.
    ///
    /// - Parameter stored: reads bytes of one of the tensors from an offset on.
    func read(
        atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer,
        stored: (_ tensor: Int, _ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Void
    ) throws(FileError) {
        let halfByteCount = rowCount * rowByteCount, end = offset + buffer.count
        var position = offset
        while position < end {
            let (half, inHalf) = position.quotientAndRemainder(dividingBy: halfByteCount)
            let rest = alternates ? (2 - half % 2) * halfByteCount - inHalf : halfByteCount - inHalf
            let count = min(rest, end - position, alternates ? Self.pieceByteCount : rest)
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[position - offset..<position - offset + count])
            if alternates {
                try readInTurn(expert: half / 2, inExpert: half % 2 * halfByteCount + inHalf, into: part, stored: stored)
            } else {
                try stored(half.isMultiple(of: 2) ? gate : up, half / 2 * halfByteCount + inHalf, part)
            }
            position += count
        }
    }

    private func readInTurn(
        expert: Int, inExpert offset: Int, into buffer: UnsafeMutableRawBufferPointer,
        stored: (_ tensor: Int, _ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Void
    ) throws(FileError) {
        // Pairs of rows that the bytes are in, the first and the last of which may be needed in part.
        let pairs = offset / (2 * rowByteCount)..<(offset + buffer.count - 1) / (2 * rowByteCount) + 1
        let byteCount = pairs.count * rowByteCount, start = (expert * rowCount + pairs.lowerBound) * rowByteCount
        let rows = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * byteCount, alignment: 64)
        defer { rows.deallocate() }
        try stored(gate, start, UnsafeMutableRawBufferPointer(rebasing: rows[..<byteCount]))
        try stored(up, start, UnsafeMutableRawBufferPointer(rebasing: rows[byteCount...]))
        var position = offset
        while position < offset + buffer.count {
            let (row, inRow) = position.quotientAndRemainder(dividingBy: rowByteCount)
            let count = min(rowByteCount - inRow, offset + buffer.count - position)
            let place = (row % 2) * byteCount + (row / 2 - pairs.lowerBound) * rowByteCount + inRow
            UnsafeMutableRawBufferPointer(rebasing: buffer[position - offset..<position - offset + count])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: rows[place..<place + count]))
            position += count
        }
    }
}
