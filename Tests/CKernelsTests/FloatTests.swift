import CKernels
import TestSupport
import Testing

struct FloatTests {
    private static func widened<T>(_ level: qk_simd, _ type: qk_float, _ source: [T]) -> [Float] {
        var result = [Float](repeating: -77, count: source.count)
        source.withUnsafeBytes { qk_widen_at(level, type, $0.baseAddress, source.count, &result) }
        return result
    }

    private static func narrowed(_ level: qk_simd, _ type: qk_float, _ source: [Float]) -> [UInt16] {
        var result = [UInt16](repeating: 0xaaaa, count: source.count)
        qk_narrow_at(level, type, source, source.count, &result)
        return result
    }

    @Test(arguments: levels)
    func widensEveryFloat16(_ level: qk_simd) {
        #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
            let patterns = (0...UInt16.max).map { $0 }
            let values = Self.widened(level, QK_F16, patterns)
            let expected = patterns.map { Float(Float16(bitPattern: $0)) }
            #expect(difference(values.map(\.bitPattern), expected.map(\.bitPattern)) == nil)
        #endif
    }

    @Test(arguments: levels)
    func widensEveryBFloat16(_ level: qk_simd) {
        let patterns = (0...UInt16.max).map { $0 }
        let values = Self.widened(level, QK_BF16, patterns)
        #expect(difference(values.map(\.bitPattern), patterns.map { UInt32($0) << 16 }) == nil)
    }

    /// Sign, exponent and fraction taken apart.
    private static func float8(_ byte: UInt8, fractionBits: Int, bias: Int) -> Float {
        let magnitude = Int(byte & 0x7f), exponent = magnitude >> fractionBits, one = 1 << fractionBits
        let fraction = magnitude & (one - 1)
        let significand = exponent == 0 ? fraction : fraction + one
        let value = Float(sign: .plus, exponent: max(exponent, 1) - bias - fractionBits, significand: Float(significand))
        return byte & 0x80 == 0 ? value : -value
    }

    @Test(arguments: levels)
    func widensEveryFloat8(_ level: qk_simd) {
        let bytes = (0...UInt8.max).map { $0 }
        let e4m3 = Self.widened(level, QK_F8_E4M3, bytes), e5m2 = Self.widened(level, QK_F8_E5M2, bytes)
        for byte in bytes {
            let four = e4m3[Int(byte)], five = e5m2[Int(byte)]
            if byte & 0x7f == 0x7f {
                #expect(four.isNaN)
                #expect(four.sign == (byte & 0x80 == 0 ? .plus : .minus))
            } else {
                #expect(four.bitPattern == Self.float8(byte, fractionBits: 3, bias: 7).bitPattern)
            }
            switch byte & 0x7f {
            case 0x7c: #expect(five == (byte & 0x80 == 0 ? .infinity : -.infinity))
            case 0x7d...: #expect(five.isNaN)
            default: #expect(five.bitPattern == Self.float8(byte, fractionBits: 2, bias: 15).bitPattern)
            }
        }
        #expect(e4m3[0x7e] == 448)
        #expect(e5m2[0x7b] == 57344)
    }

    @Test(arguments: levels)
    func roundsFloat64Once(_ level: qk_simd) {
        var random = SeededGenerator(seed: 1)
        var values: [Double] = [0, -0.0, 1e300, -1e300, .infinity, 1e-46, 1.4e-45, 1 + 0x1p-24, 1 + 0x1.8p-23, 0x1p-1030]
        for _ in 0..<10_000 {
            let value = Double(bitPattern: random.next())
            values.append(value.isNaN ? 0 : value)
            values.append(Double.random(in: -1e-37...1e-37, using: &random))
        }
        let expected = values.map { Float($0).bitPattern }
        #expect(difference(Self.widened(level, QK_F64, values).map(\.bitPattern), expected) == nil)
    }

    /// All halves, all ties between them and their neighbours, and every 4099th float32.
    private static let valuesToNarrow: [Float] = {
        var values: [Float] = []
        for pattern in stride(from: UInt32(0), to: .max - 4099, by: 16411) { values.append(Float(bitPattern: pattern)) }
        for pattern in stride(from: UInt16(0), to: .max, by: 3) {
            let half = UInt32(pattern) << 16 | 0x8000  // a tie of bfloat16
            values += [half - 1, half, half + 1].map { Float(bitPattern: $0) }
            let magnitude = UInt32(pattern & 0x7fff) << 13 + (112 << 23) | 0x1000  // a tie of float16
            values += [magnitude - 1, magnitude, magnitude + 1].map { Float(bitPattern: $0) }
        }
        let smallest = Float(0x1p-24)
        for k in 0..<2100 {
            let tie = (Float(k) + 0.5) * smallest
            values += [tie.nextDown, tie, tie.nextUp, -tie]
        }
        return values + [65504, 65519.996, 65520, 65536, 3.4e38, .infinity, -.infinity, .nan, -.nan]
    }()

    @Test(arguments: levels)
    func narrowsToFloat16(_ level: qk_simd) {
        #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
            let values = Self.valuesToNarrow
            #expect(difference(Self.narrowed(level, QK_F16, values), values.map { Float16($0).bitPattern }) == nil)
        #endif
    }

    @Test(arguments: levels)
    func narrowsToBFloat16(_ level: qk_simd) {
        let values = Self.valuesToNarrow
        let expected = values.map { value in
            let bits = value.bitPattern, remainder = bits & 0xffff
            let up: UInt32 = remainder > 0x8000 || remainder == 0x8000 && bits >> 16 & 1 == 1 ? 1 : 0
            return UInt16(value.isNaN ? bits >> 16 | 0x40 : bits >> 16 + up)
        }
        #expect(difference(Self.narrowed(level, QK_BF16, values), expected) == nil)
    }

    @Test(arguments: [QK_F16, QK_BF16])
    func keepsEveryNaN(_ type: qk_float) {
        let values = [0x7f80_0001, 0x7f80_2000, 0x7fc0_0000, 0x7fff_ffff, 0xff80_0001, 0xffc1_2345].map {
            Float(bitPattern: $0)
        }
        for level in levels {
            // Padded, so that vector code is reached.
            let halves = Self.narrowed(level, type, values + [Float](repeating: 0, count: 26))
            let back = Self.widened(level, type, Array(halves.prefix(values.count)))
            #expect(back.allSatisfy { $0.isNaN })
            #expect(back.map(\.sign) == values.map(\.sign))
            #expect(halves == Self.narrowed(QK_SCALAR, type, values + [Float](repeating: 0, count: 26)))
        }
    }

    @Test(arguments: [QK_F32, QK_F64, QK_F16, QK_BF16, QK_F8_E4M3, QK_F8_E5M2])
    func readsAnyLengthAtAnyAddress(_ type: qk_float) {
        var random = SeededGenerator(seed: 2)
        let width = qk_float_byteCount(type)
        let bytes = (0..<100 * width + 3).map { _ in UInt8.random(in: 0...0x7b, using: &random) }
        for count in 0...65 {
            for offset in [0, 1, 3] {
                let results = levels.map { level in
                    var result = [Float](repeating: -77, count: count + 1)
                    bytes.withUnsafeBytes { qk_widen_at(level, type, $0.baseAddress! + offset, count, &result) }
                    return result
                }
                #expect(results.allSatisfy { $0 == results[0] })
                #expect(results[0][count] == -77)
            }
        }
    }

    @Test(arguments: [QK_F32, QK_F16, QK_BF16])
    func writesAnyLengthAtAnyAddress(_ type: qk_float) {
        var random = SeededGenerator(seed: 3)
        let values = random.finitePatterns(66), width = qk_float_byteCount(type)
        for count in 0...65 {
            for offset in [0, 1, 3] {
                let results = levels.map { level in
                    var result = [UInt8](repeating: 0xaa, count: offset + count * width + 1)
                    result.withUnsafeMutableBytes { qk_narrow_at(level, type, values, count, $0.baseAddress! + offset) }
                    return result
                }
                #expect(results.allSatisfy { $0 == results[0] })
                #expect(results[0].prefix(offset).allSatisfy { $0 == 0xaa })
                #expect(results[0].last == 0xaa)
            }
        }
    }
}
