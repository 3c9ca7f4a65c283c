/// Transposes a small matrix of elements of 1, 2, 4 or 8 bytes.
package enum MatrixTransposition {
    /// - Parameters:
    ///   - input: [rows, columns], row-major.
    ///   - output: [columns, rows]; must not overlap the input. Both begin at a multiple of `elementByteCount` in memory.
    package static func transpose(
        _ input: UnsafeRawBufferPointer, rows: Int, columns: Int, elementByteCount: Int, into output: UnsafeMutableRawBufferPointer
    ) {
        precondition(
            input.count >= rows * columns * elementByteCount && output.count >= rows * columns * elementByteCount, "both matrices fit")
        switch elementByteCount {
        case 1: transpose(UInt8.self, input, rows, columns, output)
        case 2: transpose(UInt16.self, input, rows, columns, output)
        case 4: transpose(UInt32.self, input, rows, columns, output)
        case 8: transpose(UInt64.self, input, rows, columns, output)
        default: preconditionFailure("elements of \(elementByteCount) bytes are not transposed")
        }
    }

    /// Tiles of 16 x 16 elements keep both sides within the lines of the first-level cache.
    private static func transpose<Element: BitwiseCopyable>(
        _ type: Element.Type, _ input: UnsafeRawBufferPointer, _ rows: Int, _ columns: Int, _ output: UnsafeMutableRawBufferPointer
    ) {
        guard rows > 0, columns > 0, let from = input.baseAddress, let to = output.baseAddress else { return }
        let source = from.assumingMemoryBound(to: type), target = to.assumingMemoryBound(to: type)
        let tile = 16
        for rowStart in stride(from: 0, to: rows, by: tile) {
            let rowEnd = min(rowStart + tile, rows)
            for columnStart in stride(from: 0, to: columns, by: tile) {
                for column in columnStart..<min(columnStart + tile, columns) {
                    for row in rowStart..<rowEnd { target[column * rows + row] = source[row * columns + column] }
                }
            }
        }
    }
}
