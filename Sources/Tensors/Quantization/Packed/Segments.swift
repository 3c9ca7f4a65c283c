import ByteIO
import TensorCore

/// The same bytes of every row of a matrix.
struct Segments {
    let bytes: [UInt8]
    let rowCount: Int
    /// Bytes from one to the next.
    let stride: Int
}

extension StoredParts {
    /// Bytes that are copied in the time that a read of its own takes (0.5 microseconds).
    private static let smallRowByteCount = 4096
    /// Bytes of whole rows that are read at a time.
    private static let runByteCount = 1 << 18

    /// The same bytes of every row of a part, one row after the other.
    ///
    /// Short rows are read whole: that is faster than a read for each.
    ///
    /// - Parameters:
    ///   - range: of each row of `rowByteCount` bytes.
    ///   - gap: bytes to leave after each, where they are not all of their row.
    func segments(
        ofPart part: Int, rowCount: Int, rowByteCount: Int, _ range: Range<Int>, gap: Int = 0
    ) throws(FileError) -> Segments {
        if range.count == rowByteCount {
            return Segments(bytes: try bytes(ofPart: part, 0..<rowCount * rowByteCount), rowCount: rowCount, stride: rowByteCount)
        }
        let width = range.count, index = tensors[part], stride = width + gap
        let bytes = try [UInt8](count: rowCount * stride) { buffer throws(FileError) in
            func segment(_ row: Int) -> UnsafeMutableRawBufferPointer {
                UnsafeMutableRawBufferPointer(rebasing: buffer[row * stride..<row * stride + width])
            }
            guard rowByteCount <= Self.smallRowByteCount else {
                for row in 0..<rowCount {
                    try source.read(tensor: index, atByteOffset: row * rowByteCount + range.lowerBound, into: segment(row))
                }
                return
            }
            let step = Self.runByteCount / rowByteCount
            for first in Swift.stride(from: 0, to: rowCount, by: step) {
                let end = min(first + step, rowCount)
                let rows = try self.bytes(ofPart: part, first * rowByteCount..<end * rowByteCount)
                rows.withUnsafeBytes { rows in
                    for row in first..<end {
                        let start = (row - first) * rowByteCount + range.lowerBound
                        segment(row).copyMemory(from: UnsafeRawBufferPointer(rebasing: rows[start..<start + width]))
                    }
                }
            }
        }
        return Segments(bytes: bytes, rowCount: rowCount, stride: stride)
    }
}
