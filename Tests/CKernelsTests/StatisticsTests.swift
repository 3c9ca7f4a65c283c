import CKernels
import TestSupport
import Testing

struct StatisticsTests {
    /// Bits of the summaries of all runs.
    private static func runs(_ level: qk_simd, _ type: qk_float, _ source: UnsafeRawPointer, count: Int) -> [UInt64] {
        var runs = [qk_summary](repeating: qk_summary_empty, count: (count + Int(QK_RUN) - 1) / Int(QK_RUN))
        qk_summarize_at(level, type, source, count, &runs)
        return runs.withUnsafeBytes { Array($0.bindMemory(to: UInt64.self)) }
    }

    private static func total(_ values: [Float]) -> qk_summary {
        var runs = [qk_summary](repeating: qk_summary_empty, count: (values.count + Int(QK_RUN) - 1) / Int(QK_RUN))
        qk_summarize(QK_F32, values, values.count, &runs)
        return runs.reduce(into: qk_summary_empty) { total, run in withUnsafePointer(to: run) { qk_summary_append(&total, $0) } }
    }

    @Test(arguments: levels)
    func everyLevelGivesTheSameSums(_ level: qk_simd) {
        var random = SeededGenerator(seed: 1)
        for count in [1, 7, 15, 16, 17, 64, 1003, 4096, 4097, 20_000] {
            for type in [QK_F32, QK_BF16, QK_F16, QK_F64, QK_F8_E4M3, QK_F8_E5M2] {
                // Any bytes at all: NaN, infinities, subnormals and zeros among them.
                let bytes = (0..<qk_float_byteCount(type) * count).map { _ in UInt8.random(in: 0...255, using: &random) }
                #expect(difference(Self.runs(level, type, bytes, count: count), Self.runs(QK_SCALAR, type, bytes, count: count)) == nil)
            }
            let values = random.floats(count), offset = values.map { 1000 + 0.01 * $0 }, wild = random.finitePatterns(count)
            for floats in [values, offset, wild, [Float](repeating: -0.1, count: count)] {
                let expected = Self.runs(QK_SCALAR, QK_F32, floats, count: count)
                #expect(difference(Self.runs(level, QK_F32, floats, count: count), expected) == nil)
                var halves = [UInt16](repeating: 0, count: count)
                qk_narrow(QK_BF16, floats, count, &halves)
                let expectedHalves = Self.runs(QK_SCALAR, QK_BF16, halves, count: count)
                #expect(difference(Self.runs(level, QK_BF16, halves, count: count), expectedHalves) == nil)
            }
        }
    }

    @Test(
        "agrees with exact sums",
        arguments: [
            (0, 1), (1, 0.1), (1000, 0.01), (-1e6, 1), (3, 1e-5),
        ])
    func isAccurate(mean: Float, spread: Float) {
        var random = SeededGenerator(seed: 2)
        let values = random.floats(50_001).map { mean + spread * $0 }
        let total = Self.total(values)
        // About the first value, which lies within the spread, nothing cancels.
        let first = Double(values[0]), differences = values.map { Double($0) - first }
        let sum = differences.reduce(0, +), squares = differences.reduce(0) { $0 + $1 * $1 }
        let count = Double(values.count)
        #expect(total.finite == 50_001)
        #expect(abs(total.mean - (first + sum / count)) <= 1e-13 * max(abs(Double(mean)), Double(spread)))
        #expect(abs(total.squares / (squares - sum * sum / count) - 1) < 1e-9)
        #expect(total.minimum == values.min().map(Double.init) && total.maximum == values.max().map(Double.init))
    }

    @Test func equalElementsHaveNoSpread() {
        for value: Float in [0.1, -3e38, .leastNonzeroMagnitude, 0] {
            let total = Self.total([Float](repeating: value, count: 10_000))
            #expect(total.mean == Double(value) && total.squares == 0)
            #expect(total.minimum == Double(value) && total.maximum == Double(value))
            #expect(total.zeros == (value == 0 ? 10_000 : 0))
        }
    }

    @Test func countsWhatIsNotFiniteApart() {
        var values = [Float](repeating: 2, count: 9000)
        for (index, value) in [(0, Float.nan), (1, .infinity), (17, -.infinity), (4096, -.nan), (4100, .infinity), (8999, 0)] {
            values[index] = value
        }
        let total = Self.total(values)
        #expect(total.nans == 2 && total.positiveInfinities == 2 && total.negativeInfinities == 1)
        #expect(total.finite == 8995 && total.zeros == 1)
        #expect(total.minimum == 0 && total.maximum == 2)
        #expect(abs(total.mean - 2 * 8994 / 8995) < 1e-15)
        let none = Self.total([.nan, .infinity])
        #expect(none.finite == 0 && none.minimum == .infinity && none.maximum == -.infinity && none.mean == 0)
    }

    @Test func zerosOfBothSignsAreZeroWithoutSign() {
        let total = Self.total([-0.0, 0, -0.0])
        #expect(total.zeros == 3)
        #expect(total.minimum.sign == .plus && total.maximum.sign == .plus)
    }

    @Test func appendingNothingChangesNothing() {
        var total = Self.total([1, 2, 4])
        var before = total
        withUnsafePointer(to: qk_summary_empty) { qk_summary_append(&total, $0) }
        #expect(withUnsafeBytes(of: &total) { Array($0) } == withUnsafeBytes(of: &before) { Array($0) })
    }

    @Test(arguments: levels)
    func countsWhatIsFarFromTheMean(_ level: qk_simd) {
        var random = SeededGenerator(seed: 3)
        var values = random.floats(10_000)
        values[77] = .nan
        values[78] = -.infinity
        for (mean, distance) in [(0.0, 0.9), (0.25, 0.5), (0, 2)] {
            let expected = values.count { $0.isFinite && abs(Double($0) - mean) > distance }
            #expect(qk_count_far_at(level, QK_F32, values, values.count, mean, distance) == UInt64(expected))
        }
        let exact: [Float] = [1, 2, 3, 4]
        #expect(qk_count_far_at(level, QK_F32, exact, 4, 2, 1) == 1)
    }

    @Test(arguments: levels)
    func countsInBins(_ level: qk_simd) {
        let bins = qk_bins(lowest: -1, binsPerUnit: 2, binCount: 4)
        let values: [Float] = [-1, -0.75, -0.5, 0, 0.25, 0.5, 0.99, 1, -7, 7, .nan, .infinity, -.infinity]
        var counts = [UInt64](repeating: 0, count: 4)
        qk_histogram_at(level, QK_F32, values, values.count, bins, &counts)
        #expect(counts == [3, 1, 2, 4])
        var random = SeededGenerator(seed: 4)
        let many = random.floats(9001)
        var expected = [UInt64](repeating: 0, count: 4)
        for value in many { expected[Int((Double(value) + 1) * 2)] += 1 }
        counts = [0, 0, 0, 0]
        qk_histogram_at(level, QK_F32, many, many.count, bins, &counts)
        #expect(counts == expected)
    }
}
