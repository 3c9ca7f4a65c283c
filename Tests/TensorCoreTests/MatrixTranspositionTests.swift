import TensorCore
import Testing

@Suite struct MatrixTranspositionTests {
    /// Around the edges of tiles of 16, and far from square.
    static let sizes = [(1, 1), (1, 17), (17, 1), (2, 3), (15, 16), (16, 16), (16, 17), (17, 33), (48, 5), (3, 1000), (64, 64)]

    private func transposed(_ input: [UInt8], rows: Int, columns: Int, elementByteCount: Int) -> [UInt8] {
        // Aligned for every size of element, which arrays of bytes need not be.
        let source = UnsafeMutableRawBufferPointer.allocate(byteCount: input.count, alignment: 16)
        let target = UnsafeMutableRawBufferPointer.allocate(byteCount: input.count + 8, alignment: 16)
        defer {
            source.deallocate()
            target.deallocate()
        }
        source.copyBytes(from: input)
        target.initializeMemory(as: UInt8.self, repeating: 0xee)
        MatrixTransposition.transpose(
            UnsafeRawBufferPointer(source), rows: rows, columns: columns, elementByteCount: elementByteCount, into: target)
        #expect(target.suffix(8).allSatisfy { $0 == 0xee }, "writes past the end")
        return Array(target.dropLast(8))
    }

    @Test("moves every element to its place", arguments: sizes, [1, 2, 4, 8])
    func movesEveryElement(size: (rows: Int, columns: Int), elementByteCount: Int) {
        let count = size.rows * size.columns * elementByteCount
        let input = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        let output = transposed(input, rows: size.rows, columns: size.columns, elementByteCount: elementByteCount)
        var expected: [UInt8] = []
        for column in 0..<size.columns {
            for row in 0..<size.rows {
                let start = (row * size.columns + column) * elementByteCount
                expected += input[start..<start + elementByteCount]
            }
        }
        #expect(output == expected)
        #expect(transposed(output, rows: size.columns, columns: size.rows, elementByteCount: elementByteCount) == input)
    }

    @Test("leaves empty matrices alone", arguments: [(0, 0), (0, 5), (5, 0)])
    func leavesEmptyMatricesAlone(rows: Int, columns: Int) {
        #expect(transposed([], rows: rows, columns: columns, elementByteCount: 4) == [])
        MatrixTransposition.transpose(
            UnsafeRawBufferPointer(start: nil, count: 0), rows: rows, columns: columns, elementByteCount: 4,
            into: UnsafeMutableRawBufferPointer(start: nil, count: 0))
    }
}
