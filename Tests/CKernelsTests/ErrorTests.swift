import CKernels
import Testing

struct ErrorTests {
    private static func sums(_ level: qk_simd, _ reference: [Float], _ actual: [Float], cutAt cuts: [Int] = []) -> [UInt64] {
        var sums = qk_error_sums()
        var start = 0
        for end in cuts + [reference.count] {
            qk_error_add_at(level, &sums, Array(reference[start..<end]), Array(actual[start..<end]), end - start)
            start = end
        }
        return withUnsafeBytes(of: sums) { Array($0.bindMemory(to: UInt64.self)) }
    }

    @Test(arguments: levels)
    func everyLevelGivesTheSameSums(_ level: qk_simd) {
        var random = RandomValues(seed: 1)
        for count in [1, 7, 8, 9, 64, 1003, 20_000] {
            let reference = random.unitValues(count)
            let actual = zip(reference, random.unitValues(count)).map { $0 + 0.01 * $1 }
            let expected = Self.sums(QK_SCALAR, reference, actual)
            #expect(difference(Self.sums(level, reference, actual), expected) == nil)
            let cut = Self.sums(level, reference, actual, cutAt: [count / 3, count / 2])
            #expect(difference(cut, expected) == nil)
        }
        let wild = random.finitePatterns(5000), other = random.finitePatterns(5000)
        #expect(difference(Self.sums(level, wild, other), Self.sums(QK_SCALAR, wild, other)) == nil)
    }

    @Test(arguments: levels)
    func findsTheFirstOfEqualErrors(_ level: qk_simd) {
        let reference = [Float](repeating: 1, count: 100)
        for (first, second) in [(0, 99), (9, 17), (15, 16), (16, 23), (50, 97)] {
            var actual = reference
            actual[first] = 3
            actual[second] = -1
            actual[70] = 1.5
            var sums = qk_error_sums()
            qk_error_add_at(level, &sums, reference, actual, 100)
            let totals = qk_error_total(&sums)
            #expect(totals.largestError == 2)
            #expect(totals.largestErrorIndex == UInt64(first))
            #expect(totals.errorSquares == 8.25)
        }
    }

    @Test(arguments: levels)
    func aNaNIsNeverTheLargestError(_ level: qk_simd) {
        var actual = (0..<64).map { Float($0) }
        let reference = [Float](repeating: 0, count: 64)
        actual[5] = .nan
        var sums = qk_error_sums()
        qk_error_add_at(level, &sums, reference, actual, 64)
        let totals = qk_error_total(&sums)
        #expect(totals.largestError == 63)
        #expect(totals.largestErrorIndex == 63)
        #expect(totals.errorSquares.isNaN)
        #expect(totals.referenceSquares == 0)
    }
}
