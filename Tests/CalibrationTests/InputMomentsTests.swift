import CKernels
import Calibration
import TestSupport
import Testing
import Transformer

@Suite struct InputMomentsTests {
    /// Widths that end within a block, tokens that end within a piece.
    @Test(arguments: [(1, 1), (64, 256), (65, 257), (150, 1100)])
    func sumsAreThoseOfFloat64(width: Int, rowCount: Int) throws {
        var generator = SeededGenerator(seed: 5)
        let x = (0..<rowCount * width).map { _ in Float.random(in: -1...1, using: &generator) }
        let engine = MatrixEngine.test()
        let moments = InputMoments(width: width, heldOutCount: 0)
        x.withUnsafeBufferPointer { x in
            guard let start = x.baseAddress else { return }
            moments.add(start, rowCount: rowCount, MomentMemory(), engine)
        }
        moments.finish(engine)
        #expect(moments.tokenCount == rowCount)
        for i in stride(from: 0, to: width, by: 7) {
            let row = [Double](unsafeUninitializedCapacity: width) { buffer, count in
                moments.matrix.readRow(i, into: UnsafeMutableBufferPointer(rebasing: buffer[..<width]))
                count = width
            }
            for j in 0..<width {
                var sum = 0.0
                for t in 0..<rowCount { sum += Double(x[t * width + i]) * Double(x[t * width + j]) }
                #expect((moments.matrix[i, j] - sum / Double(rowCount)).magnitude < 1e-6)
                #expect(row[j] == moments.matrix[i, j] && row[j] == moments.matrix[j, i])
            }
        }
    }

    @Test func placesOfBlocksAreThoseOfRowsAfterRows() {
        let blocks = SymmetricBlocks(count: 64 * 7)
        #expect(blocks.blockRowCount == 7)
        #expect(SymmetricBlocks.byteCount(64 * 7) == 28 * 64 * 64 * 8)
        #expect(SymmetricBlocks.byteCount(64 * 7 + 1) == 36 * 64 * 64 * 8)
    }
}
