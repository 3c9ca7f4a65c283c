import CKernels
import TestSupport
import Testing

struct LowRankTests {
    /// The definition: the sum in the order of k, each step fused.
    private static func expected(
        _ left: [Float], _ right: [Float], rank: Int, columns: Int, scale: Float, _ range: Range<Int>, added: [Float]?
    ) -> [Float] {
        range.map { index in
            let (row, column) = index.quotientAndRemainder(dividingBy: columns)
            var sum: Float = 0
            for k in 0..<rank { sum = sum.addingProduct(left[row * rank + k], right[k * columns + column]) }
            return added.map { $0[index - range.lowerBound] + scale * sum } ?? scale * sum
        }
    }

    @Test(arguments: levels)
    func everyRunOfElementsIsTheSame(_ level: qk_simd) {
        var random = SeededGenerator(seed: 3)
        for (rows, columns, rank) in [(1, 1, 1), (3, 5, 2), (13, 67, 4), (29, 128, 8), (40, 16, 3), (26, 33, 130), (2, 700, 16), (9, 4, 0)]
        {
            let left = random.floats(rows * rank), right = random.floats(rank * columns)
            let count = rows * columns
            for range in [0..<count, 0..<count / 2, count / 3..<count, count / 3..<count / 3 + 1, columns / 2..<count - columns / 3] {
                let before = random.floats(range.count)
                for adds in [false, true] {
                    var out = before
                    qk_lowRank_at(level, left, right, rank, columns, 1.7, range.lowerBound, range.count, adds ? 1 : 0, &out)
                    let expected = Self.expected(
                        left, right, rank: rank, columns: columns, scale: 1.7, range, added: adds ? before : nil)
                    #expect(
                        difference(out.map(\.bitPattern), expected.map(\.bitPattern)) == nil, "\(rows) x \(columns), rank \(rank), \(range)"
                    )
                }
            }
        }
    }
}
