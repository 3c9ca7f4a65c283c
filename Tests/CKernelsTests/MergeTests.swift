import CKernels
import TestSupport
import Testing

struct MergeTests {
    @Test(arguments: levels)
    func everyLevelGivesTheSameSums(_ level: qk_simd) {
        var random = SeededGenerator(seed: 5)
        for count in [0, 1, 7, 8, 1003] {
            let base = random.floats(count), delta = random.floats(count), merged = random.floats(count)
            func sums(_ level: qk_simd) -> [UInt64] {
                var sums = qk_merge_sums()
                qk_merge_add_at(level, &sums, base, delta, merged, count)
                return withUnsafeBytes(of: sums) { Array($0.bindMemory(to: UInt64.self)) }
            }
            #expect(difference(sums(level), sums(QK_SCALAR)) == nil)
        }
    }

    @Test(arguments: levels)
    func addsAndSubtractsAlsoInPlace(_ level: qk_simd) {
        var random = SeededGenerator(seed: 6)
        for count in [0, 1, 7, 8, 15, 16, 17, 1003] {
            let a = random.finitePatterns(count), b = random.finitePatterns(count)
            var sum = [Float](repeating: 7, count: count + 1), changed = a
            qk_add_at(level, a, b, count, &sum)
            #expect(difference(sum.dropLast().map(\.bitPattern), zip(a, b).map { ($0 + $1).bitPattern }) == nil)
            #expect(sum[count] == 7)
            changed.withUnsafeMutableBufferPointer { values in
                guard let values = values.baseAddress else { return }
                qk_subtract_at(level, values, b, count, values)
            }
            #expect(difference(changed.map(\.bitPattern), zip(a, b).map { ($0 - $1).bitPattern }) == nil)
        }
    }

    @Test func sumsAreWhatTheyAreCalled() {
        var sums = qk_merge_sums()
        qk_merge_add(&sums, [1, 2], [0.5, -1], [1.25, 1.5], 2)
        func total(_ lanes: (Double, Double, Double, Double, Double, Double, Double, Double)) -> Double { lanes.0 + lanes.1 }
        #expect(total(sums.base) == 5)
        #expect(total(sums.delta) == 1.25)
        #expect(total(sums.change) == 0.3125)
        #expect(total(sums.changeTimesDelta) == 0.625)
        #expect(total(sums.error) == 0.3125)
        #expect(total(sums.target) == 3.25)
    }

    @Test func countsCodesAndElementsThatDiffer() {
        let a: [UInt8] = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x11, 0x22]
        let b: [UInt8] = [0x12, 0x35, 0x66, 0x89, 0x9a, 0xbc, 0xde, 0x0f, 0x10, 0x22]
        #expect(qk_differingCodes(a, b, 10) == 7)
        #expect(qk_differingCodes(a, a, 10) == 0)
        #expect(qk_differingElements(a, b, 10, 1) == 5)
        #expect(qk_differingElements(a, b, 5, 2) == 4)
        #expect(qk_differingElements(a, b, 2, 4) == 2)
        #expect(qk_differingElements(a, b, 1, 8) == 1)
    }
}
