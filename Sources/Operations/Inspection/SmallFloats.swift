import TensorCore

/// Floating-point types that the kernels do not read: 4 and 6 bits, scales, and the float8 types without negative zero.
enum SmallFloats {
    /// The values of all bit patterns of a type; nil of types that are none of these.
    ///
    /// All are exact in float32. FNUZ types have one NaN where others have -0; F8_E8M0 is a power of two, its last pattern NaN;
    /// the others have neither NaN nor infinities.
    static func values(of type: ScalarType) -> [Float]? {
        switch type {
        case .f4: values(exponentBitCount: 2, mantissaBitCount: 1, bias: 1)
        case .f6e2m3: values(exponentBitCount: 2, mantissaBitCount: 3, bias: 1)
        case .f6e3m2: values(exponentBitCount: 3, mantissaBitCount: 2, bias: 3)
        case .f8e4m3fnuz: withNaNForNegativeZero(values(exponentBitCount: 4, mantissaBitCount: 3, bias: 8))
        case .f8e5m2fnuz: withNaNForNegativeZero(values(exponentBitCount: 5, mantissaBitCount: 2, bias: 16))
        case .f8e8m0: (0..<256).map { $0 == 255 ? .nan : Float(sign: .plus, exponent: $0 - 127, significand: 1) }
        default: nil
        }
    }

    /// Decodes elements that stand one after the other, each in its bits from the lowest of the first byte on.
    ///
    /// - Parameters:
    ///   - bytes: whole bytes, which `destination.count` elements fill.
    ///   - values: of all patterns of a type of `bitCount` bits.
    static func decode(_ bytes: UnsafeRawBufferPointer, bitCount: Int, values: [Float], into destination: UnsafeMutableBufferPointer<Float>)
    {
        precondition(bytes.count * 8 == destination.count * bitCount, "source and destination differ in length")
        values.withUnsafeBufferPointer { values in
            let mask = (1 << bitCount) - 1
            var bits = 0, available = 0, position = 0
            for byte in bytes {
                bits |= Int(byte) << available
                available += 8
                while available >= bitCount {
                    destination[position] = values[bits & mask]
                    position += 1
                    bits >>= bitCount
                    available -= bitCount
                }
            }
        }
    }

    private static func values(exponentBitCount: Int, mantissaBitCount: Int, bias: Int) -> [Float] {
        let magnitudes = (0..<1 << (exponentBitCount + mantissaBitCount)).map { pattern -> Float in
            let exponent = pattern >> mantissaBitCount, mantissa = pattern & ((1 << mantissaBitCount) - 1)
            let whole = (exponent > 0 ? 1 << mantissaBitCount : 0) + mantissa
            return Float(sign: .plus, exponent: max(exponent, 1) - bias - mantissaBitCount, significand: Float(whole))
        }
        return magnitudes + magnitudes.map { -$0 }
    }

    private static func withNaNForNegativeZero(_ values: [Float]) -> [Float] {
        var values = values
        values[values.count / 2] = .nan
        return values
    }
}
