package import ByteIO
import CKernels

/// A symmetric matrix [n, n] of doubles of which one half is kept, or a triangular one, in blocks of 64 x 64.
///
///     block row I:  (I, 0) (I, 1) ... (I, I)        one block row after another
///     in a block:   element [c][r] is row 64 I + r, column 64 J + c
///
/// Rows and columns from n on are there, but mean nothing. 4 n^2 bytes and a little: 822 MB for the widest layer of a 7B model.
package final class SymmetricBlocks: @unchecked Sendable {
    package static let size = Int(QK_BLOCK64)
    static let elementCount = Int(QK_BLOCK64_COUNT)

    /// n.
    package let count: Int
    package let blockRowCount: Int
    private let memory: UnsafeMutableBufferPointer<Double>

    /// All zero.
    package init(count: Int) {
        precondition(count > 0, "a matrix has rows")
        self.count = count
        blockRowCount = Self.blockRows(count)
        let byteCount = Self.byteCount(count)
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 64)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        memory = bytes.bindMemory(to: Double.self)
    }

    deinit { memory.deallocate() }

    private static func blockRows(_ count: Int) -> Int { (count + size - 1) / size }

    /// What a matrix of `count` rows takes.
    package static func byteCount(_ count: Int) -> Int { blockRows(count) * (blockRows(count) + 1) / 2 * elementCount * 8 }

    var blockCount: Int { blockRowCount * (blockRowCount + 1) / 2 }

    /// Block (row, column), for whoever it belongs to in a loop.
    ///
    /// - Precondition: column <= row
    func block(_ row: Int, _ column: Int) -> UnsafeMutablePointer<Double> {
        precondition((0...row).contains(column) && row < blockRowCount, "no block (\(row), \(column)) of \(blockRowCount) rows")
        return block(at: row * (row + 1) / 2 + column)
    }

    func block(at index: Int) -> UnsafeMutablePointer<Double> {
        guard let start = memory.baseAddress else { preconditionFailure("allocated memory has an address") }
        return start + index * Self.elementCount
    }

    /// Row and column of a block.
    static func place(ofBlock index: Int) -> (row: Int, column: Int) {
        var row = Int((2 * Double(index)).squareRoot())
        while row * (row + 1) / 2 > index { row -= 1 }
        while (row + 1) * (row + 2) / 2 <= index { row += 1 }
        return (row, index - row * (row + 1) / 2)
    }

    /// Of a symmetric matrix.
    package subscript(row: Int, column: Int) -> Double {
        let (high, low) = (max(row, column), min(row, column))
        return block(high / Self.size, low / Self.size)[low % Self.size * Self.size + high % Self.size]
    }

    package var diagonal: [Double] { (0..<count).map { self[$0, $0] } }

    /// Row `row` of a symmetric matrix, all `count` elements.
    package func readRow(_ row: Int, into elements: UnsafeMutableBufferPointer<Double>) {
        precondition(elements.count == count && (0..<count).contains(row), "row \(row) of \(count)")
        let (own, place) = (row / Self.size, row % Self.size)
        for column in 0..<blockRowCount {
            let first = column * Self.size, width = min(Self.size, count - first)
            if column < own {
                let block = block(own, column)
                for c in 0..<width { elements[first + c] = block[c * Self.size + place] }
            } else if column > own {
                let block = block(column, own) + place * Self.size
                for r in 0..<width { elements[first + r] = block[r] }
            } else {
                let block = block(own, own)
                for c in 0..<width { elements[first + c] = block[min(c, place) * Self.size + max(c, place)] }
            }
        }
    }

    /// Of all blocks as they lie in memory: the same on every machine for the same matrix.
    package var checksum: CRC32C { CRC32C(of: UnsafeRawBufferPointer(memory)) }
}
