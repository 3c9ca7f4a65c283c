import CKernels
import TestSupport
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
        var random = SeededGenerator(seed: 1)
        for count in [1, 7, 8, 9, 64, 1003, 20_000] {
            let reference = random.floats(count)
            let actual = zip(reference, random.floats(count)).map { $0 + 0.01 * $1 }
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
            #expect(totals.errorMagnitudes == 4.5)
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

    @Test(arguments: levels)
    func findsALargestErrorAfterManySmallerOnes(_ level: qk_simd) {
        // Beyond the first of the stretches in which the kernels look for it.
        let reference = [Float](repeating: 1, count: 3000)
        for place in [0, 511, 512, 1700, 2999] {
            var actual = reference.indices.map { 1 + Float($0 % 7) / 16 }
            actual[place] = -4
            var sums = qk_error_sums()
            qk_error_add_at(level, &sums, reference, actual, 3000)
            #expect(qk_error_total(&sums).largestError == 5 && qk_error_total(&sums).largestErrorIndex == UInt64(place))
        }
    }

    @Test(arguments: levels, [QK_F32, QK_F64, QK_F16, QK_BF16, QK_F8_E4M3, QK_F8_E5M2])
    func theSameOnBothSidesIsAddedAsItself(_ level: qk_simd, _ type: qk_float) {
        var random = SeededGenerator(seed: 3)
        for count in [0, 1, 9, 1003] {
            let (stored, values) = random.stored(count, type)
            let expected = Self.sums(QK_SCALAR, [0.5, 2] + values, [0.25, 2] + values)
            var sums = qk_error_sums()
            qk_error_add_at(level, &sums, [0.5, 2], [0.25, 2], 2)
            qk_error_add_same_at(level, &sums, type, stored, count)
            #expect(difference(withUnsafeBytes(of: sums) { Array($0.bindMemory(to: UInt64.self)) }, expected) == nil)
        }
    }

    @Test(arguments: levels, [QK_F32, QK_F64, QK_F16, QK_BF16, QK_F8_E4M3, QK_F8_E5M2])
    func blocksAreAddedAsTheirValues(_ level: qk_simd, _ type: qk_float) {
        var random = SeededGenerator(seed: 5)
        let quantMap = random.floats(16)
        for (count, blockSize) in [(64, 64), (1, 64), (1027, 32), (4096, 512), (3000, 4096)] {
            let (stored, reference) = random.stored(count, type)
            let packed = (0..<(count + 1) / 2).map { _ in UInt8.random(in: 0...255, using: &random) }
            let absmax = random.floats((count + blockSize - 1) / blockSize)
            let actual = (0..<count).map { index in
                quantMap[Int(index % 2 == 0 ? packed[index / 2] >> 4 : packed[index / 2] & 15)] * absmax[index / blockSize]
            }
            var sums = qk_error_sums()
            var found = [Float](repeating: -1, count: absmax.count), errors = [Double](repeating: -1, count: absmax.count)
            quantMap.withUnsafeBufferPointer { map in
                absmax.withUnsafeBufferPointer { constants in
                    packed.withUnsafeBufferPointer { packed in
                        let blocks = qk_blocks4(
                            quantMap: map.baseAddress, packed: packed.baseAddress, absmax: constants.baseAddress, count: count,
                            blockSize: blockSize)
                        qk_error_add4_at(level, &sums, type, stored, blocks, &found, &errors)
                    }
                }
            }
            #expect(
                difference(
                    withUnsafeBytes(of: sums) { Array($0.bindMemory(to: UInt64.self)) }, Self.sums(QK_SCALAR, reference, actual)) == nil)
            for block in absmax.indices {
                let range = block * blockSize..<min((block + 1) * blockSize, count)
                #expect(found[block] == range.map { reference[$0].magnitude }.max())
                #expect(errors[block] == range.map { (Double(actual[$0]) - Double(reference[$0])).magnitude }.max())
            }
        }
    }

    @Test(arguments: levels)
    func aNaNIsTheLargestMagnitudeOfItsBlockButNoError(_ level: qk_simd) {
        var reference = [Float](repeating: 0.5, count: 64)
        reference[40] = .nan
        reference[41] = 1
        var sums = qk_error_sums()
        var found: [Float] = [0], errors: [Double] = [0]
        let quantMap = [Float](repeating: 1, count: 16), packed = [UInt8](repeating: 0, count: 32), absmax: [Float] = [0.75]
        quantMap.withUnsafeBufferPointer { map in
            absmax.withUnsafeBufferPointer { constants in
                packed.withUnsafeBufferPointer { packed in
                    let blocks = qk_blocks4(
                        quantMap: map.baseAddress, packed: packed.baseAddress, absmax: constants.baseAddress, count: 64, blockSize: 64)
                    qk_error_add4_at(level, &sums, QK_F32, reference, blocks, &found, &errors)
                }
            }
        }
        #expect(found[0].isNaN)
        #expect(errors == [0.25])
        #expect(qk_error_total(&sums).largestErrorIndex == 0)
    }
}

extension SeededGenerator {
    /// Random elements of a type as bytes, none of them NaN or infinite, and as float32.
    fileprivate mutating func stored(_ count: Int, _ type: qk_float) -> (bytes: [UInt8], values: [Float]) {
        let size = qk_float_byteCount(type)
        var bytes: [UInt8] = []
        switch type {
        case QK_F32: floats(count).forEach { withUnsafeBytes(of: $0) { bytes += $0 } }
        case QK_F64: floats(count).forEach { withUnsafeBytes(of: Double($0) * 1.000_000_000_1) { bytes += $0 } }
        default:
            for _ in 0..<count {
                // A zero in the upper bits of the exponent.
                let pattern = UInt16(truncatingIfNeeded: next()) & 0xbfff
                withUnsafeBytes(of: pattern) { bytes += size == 2 ? Array($0) : [$0[1]] }
            }
        }
        var values = [Float](repeating: 0, count: count)
        qk_widen_at(QK_SCALAR, type, bytes, count, &values)
        return (bytes, values)
    }
}
