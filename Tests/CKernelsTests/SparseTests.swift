import CKernels
import TestSupport
import Testing

struct SparseTests {
    private static func encoded(_ level: qk_simd, _ a: [UInt8], _ b: [UInt8]) -> (gaps: [UInt8], values: [UInt8]) {
        var gaps = [UInt8](repeating: 0, count: a.count), values = gaps
        let counts = qk_sparse_encode_at(level, a, b, a.count, &gaps, &values)
        return (Array(gaps[..<counts.gapCount]), Array(values[..<counts.valueCount]))
    }

    @Test(arguments: levels)
    func findsWhatDiffers(_ level: qk_simd) {
        var b = [UInt8](repeating: 7, count: 600)
        let a = b
        b[0] = 6
        b[1] = 5
        b[256] = 4
        b[512] = 3
        b[599] = 2
        let (gaps, values) = Self.encoded(level, a, b)
        #expect(gaps == [0, 0, 254, 255, 0, 86])
        #expect(values == [1, 2, 3, 4, 5])
        #expect(Self.encoded(level, a, a).gaps.isEmpty)
    }

    @Test(arguments: levels)
    func theDifferenceLeadsBack(_ level: qk_simd) {
        var random = SeededGenerator(seed: 9)
        for count in [0, 1, 7, 8, 9, 63, 64, 65, 255, 256, 257, 5000] {
            for share in [0, 1, 100, 256] as [UInt64] {
                let a = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                let b = a.map { random.next() % 256 < share ? UInt8(truncatingIfNeeded: random.next()) : $0 }
                let (gaps, values) = Self.encoded(level, a, b)
                let scalar = Self.encoded(QK_SCALAR, a, b)
                #expect(gaps == scalar.gaps && values == scalar.values)
                var bytes = b
                #expect(qk_sparse_apply(gaps, gaps.count, values, values.count, &bytes, count) == 1)
                #expect(bytes == a)
            }
        }
    }

    @Test(
        arguments: [
            ([6], [1]), ([5, 0], [1, 1]), ([255], []), ([0], []), ([0], [0]), ([0], [1, 1]), ([], [1]),
        ] as [([UInt8], [UInt8])])
    func refusesWhatDoesNotFit(_ gaps: [UInt8], _ values: [UInt8]) {
        var bytes = [UInt8](repeating: 0, count: 6)
        #expect(qk_sparse_apply(gaps, gaps.count, values, values.count, &bytes, 6) == 0)
    }
}
