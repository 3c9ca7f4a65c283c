import CKernels
import Testing

/// The scans agree with the plain definition on every level.
@Suite struct ScanTests {
    @Test("finds the first value that is not finite, wherever it is", arguments: levels)
    func findsFirstNonfinite(level: qk_simd) {
        for count in [0, 1, 7, 1023, 1024, 1025, 5000] {
            var values = [Float](repeating: 1.5, count: count)
            #expect(qk_firstNonfinite_at(level, QK_F32, values, count) == count)
            for position in [0, 1, 1022, 1023, 1024, 4999] where position < count {
                for special in [Float.nan, .infinity, -.infinity, -.nan] {
                    values[position] = special
                    #expect(qk_firstNonfinite_at(level, QK_F32, values, count) == position)
                }
                values[position] = .greatestFiniteMagnitude
            }
        }
    }

    @Test("knows what is finite in every type", arguments: levels)
    func knowsAllTypes(level: qk_simd) {
        func first<T: BitwiseCopyable>(_ type: qk_float, _ values: [T]) -> Int { qk_firstNonfinite_at(level, type, values, values.count) }
        #expect(first(QK_F64, [1, .greatestFiniteMagnitude, Double.infinity]) == 2)
        #expect(first(QK_F16, [0x7bff, 0xfbff, 0x7c00] as [UInt16]) == 2)
        #expect(first(QK_BF16, [0x7f7f, 0xff7f, 0xffc0] as [UInt16]) == 2)
        #expect(first(QK_F8_E5M2, [0x7b, 0xfb, 0x7d] as [UInt8]) == 2)
        #expect(first(QK_F8_E4M3, [0x7f, 0xff] as [UInt8]) == 2)
    }
}
