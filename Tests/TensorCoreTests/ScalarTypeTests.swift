import TensorCore
import Testing

@Suite struct ScalarTypeTests {
    /// The names and widths of safetensors 0.8.
    static let widths: [(name: String, bitCount: Int)] = [
        ("BOOL", 8), ("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("U8", 8), ("I8", 8), ("F8_E5M2", 8), ("F8_E4M3", 8), ("F8_E8M0", 8),
        ("F8_E4M3FNUZ", 8), ("F8_E5M2FNUZ", 8), ("I16", 16), ("U16", 16), ("F16", 16), ("BF16", 16), ("I32", 32), ("U32", 32),
        ("F32", 32), ("C64", 64), ("F64", 64), ("I64", 64), ("U64", 64),
    ]

    @Test("has the width of its name", arguments: widths)
    func hasItsWidth(name: String, bitCount: Int) {
        #expect(ScalarType(rawValue: name)?.bitCount == bitCount)
    }

    @Test func thereAreNoOthers() {
        #expect(ScalarType.allCases.map(\.rawValue) == Self.widths.map(\.name))
        for name in ["", "f32", "F32 ", "FLOAT32", "F128", "U4", "I4", "C128", "\u{212a}"] { #expect(ScalarType(rawValue: name) == nil) }
    }

    @Test(
        "counts bytes",
        arguments: [
            (ScalarType.f32, 0, 0), (.f32, 3, 12), (.bool, 5, 5), (.c64, 2, 16), (.bf16, 7, 14), (.f4, 0, 0), (.f4, 2, 1), (.f4, 256, 128),
            (.f6e2m3, 4, 3), (.f6e3m2, 8, 6), (.u8, Int.max >> 3, Int.max >> 3), (.f64, Int.max >> 6, (Int.max >> 6) * 8),
        ])
    func countsBytes(type: ScalarType, elementCount: Int, byteCount: Int) {
        #expect(type.byteCount(elementCount: elementCount) == byteCount)
    }

    @Test(
        "has no count of bytes",
        arguments: [
            (ScalarType.f4, 1), (.f4, 3), (.f6e2m3, 1), (.f6e2m3, 2), (.f6e3m2, 3), (.f6e3m2, 6), (.f32, -1), (.u8, -8), (.f4, -2),
            (.u8, Int.max), (.u8, (Int.max >> 3) + 1), (.f64, (Int.max >> 6) + 1), (.f4, Int.max), (.f32, Int.min),
        ])
    func hasNoByteCount(type: ScalarType, elementCount: Int) {
        #expect(type.byteCount(elementCount: elementCount) == nil)
    }

    @Test func floatingPointTypesAreQuantizable() {
        #expect(ScalarType.allCases.filter(\.isQuantizable) == [.f8e5m2, .f8e4m3, .f16, .bf16, .f32, .f64])
        #expect(ScalarType.allCases.filter(\.isNarrowable) == [.f16, .bf16, .f32])
        #expect(ScalarType.allCases.filter { $0.kernelType != nil } == ScalarType.allCases.filter(\.isQuantizable))
    }
}
