import ByteIO

/// A factor [rows, columns] of which a file has the transpose: [columns, rows].
struct TurnedFactor {
    let rows: Int
    let columns: Int
    let elementByteCount: Int

    /// Stored bytes that are turned at once.
    private static let turnedByteCount = 1 << 20

    /// Bytes of [rows, columns] from `offset` on; where several rows are asked for, all of the file is read once for them.
    ///
    /// - Parameter stored: gives bytes of [columns, rows].
    func read(
        atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer, stored: (Range<Int>) throws(FileError) -> [UInt8]
    ) throws(FileError) {
        guard buffer.count > 0 else { return }
        let width = elementByteCount
        let elements = offset / width..<(offset + buffer.count + width - 1) / width
        let asked = elements.lowerBound / columns...(elements.upperBound - 1) / columns
        let places = asked.count == 1 ? elements.lowerBound % columns..<(elements.upperBound - 1) % columns + 1 : 0..<columns
        var turned = [UInt8](repeating: 0, count: elements.count * width)
        let step = max(1, Self.turnedByteCount / (rows * width))
        for first in stride(from: places.lowerBound, to: places.upperBound, by: step) {
            let block = first..<min(first + step, places.upperBound)
            let bytes = try stored(block.lowerBound * rows * width..<block.upperBound * rows * width)
            for row in asked {
                for column in block {
                    let element = row * columns + column
                    guard elements.contains(element) else { continue }
                    let source = ((column - first) * rows + row) * width, target = (element - elements.lowerBound) * width
                    for byte in 0..<width { turned[target + byte] = bytes[source + byte] }
                }
            }
        }
        let start = offset - elements.lowerBound * width
        turned.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + buffer.count])) }
    }
}
