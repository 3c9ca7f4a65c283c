import CKernels
import TestSupport
import Testing

struct Dequantize4Tests {
    private static func map(seed: UInt64) -> [Float] {
        var random = SeededGenerator(seed: seed)
        return random.floats(14) + [-0.0, 1.5]
    }

    /// Value by value: product, then conversion.
    private static func naive(
        _ map: [Float], _ packed: [UInt8], _ absmax: [Float], _ count: Int, _ blockSize: Int, _ type: qk_float
    ) -> [UInt8] {
        let products = (0..<count).map { i in
            map[Int(i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2] & 15)] * absmax[i / blockSize]
        }
        var result = [UInt8](repeating: 0xaa, count: count * qk_float_byteCount(type) + 1)
        qk_narrow_at(QK_SCALAR, type, products, count, &result)
        return result
    }

    @Test(arguments: [QK_F32, QK_F16, QK_BF16], [32, 64, 256, 4096])
    func multipliesAndRoundsOnce(_ type: qk_float, _ blockSize: Int) {
        var random = SeededGenerator(seed: 1)
        let packed = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &random) }
        // Ordinary, subnormal, overflowing and huge scales.
        let scales: [Float] = [0.02, 1, 3.7, 0x1.1p-133, 1e-7, 7e4, 3e38, 0, -2.5, 6e-5]
        let absmax = (0..<400).map { scales[$0 % 10] * (1 + Float($0) * 1e-3) }
        let map = Self.map(seed: 2)
        for count in [0, 1, 2, 31, 32, 33, 63, 64, 65, 4095, 4096, 4097, 9999] {
            let expected = Self.naive(map, packed, absmax, count, blockSize, type)
            for level in levels {
                for offset in [0, 1] {
                    var result = [UInt8](repeating: 0xaa, count: expected.count + offset)
                    result.withUnsafeMutableBytes {
                        qk_dequantize4_at(
                            level, map, packed, absmax, count, blockSize, type, $0.baseAddress! + offset)
                    }
                    #expect(difference(Array(result.dropFirst(offset)), expected) == nil, "\(level.name), \(count)")
                }
            }
        }
    }

    @Test(arguments: [QK_F32, QK_F16, QK_BF16])
    func keepsNaN(_ type: qk_float) {
        let packed = (0..<64).map { UInt8($0 * 4) }, absmax: [Float] = [.nan, 1]
        let width = qk_float_byteCount(type)
        for level in levels {
            var result = [UInt8](repeating: 0, count: 128 * width)
            qk_dequantize4_at(level, Self.map(seed: 3), packed, absmax, 128, 64, type, &result)
            var values = [Float](repeating: 0, count: 128)
            qk_widen(type, result, 128, &values)
            #expect(values.prefix(64).allSatisfy { $0.isNaN })
            #expect(values.suffix(64).allSatisfy { $0.isFinite })
        }
    }

    @Test func startsAtAnyBlock() {
        var random = SeededGenerator(seed: 4)
        let packed = (0..<500).map { _ in UInt8.random(in: 0...255, using: &random) }
        let absmax = random.floats(32), map = Self.map(seed: 5)
        var all = [Float](repeating: 0, count: 999)
        qk_dequantize4(map, packed, absmax, 999, 32, QK_F32, &all)
        for block in [1, 7, 30, 31] {
            var part = [Float](repeating: 0, count: 999 - 32 * block)
            qk_dequantize4(
                map, Array(packed[(16 * block)...]), Array(absmax[block...]), part.count, 32, QK_F32, &part)
            #expect(difference(part, Array(all[(32 * block)...])) == nil)
        }
    }
}
