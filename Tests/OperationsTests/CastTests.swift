import Checkpoints
import Comparison
import Conversion
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Streaming

/// Types of tensors that stay dense, and of those that are quantized.
@Suite struct CastTests {
    private static func bytes(_ values: [Double]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }
    private static func bytes(_ values: [Float16]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

    /// f16: 65504 is the largest, 65520 the first that rounds to infinity, 2^-24 the least, 2^-25 a tie that goes to zero.
    static let wide: [Float] = [0, -0.0, 1, 65504, 65519, 65520, -1e30, .infinity, .nan, 0x1p-24, 0x1p-25, -0x1.8p-25, 1e-30]

    @Test func castsToF16AndCountsWhatIsLost() throws {
        let folder = try TemporaryFolder()
        try folder.write([StoredTensor("ln.bias", [13], Self.wide)].safetensors(), to: "m.safetensors")
        for (threadCount, chunkElementCount) in [(1, 1 << 19), (3, 2)] {
            let report = try convert(
                folder.path("m.safetensors"), to: folder.path("m.qnf"), castingTo: .f16, threadCount: threadCount,
                chunkElementCount: chunkElementCount, replaces: true)
            // Became infinite: 65520 and -1e30. Became zero: 2^-25 and 1e-30; -1.5 * 2^-25 rounds to -2^-24.
            #expect(report.narrowing == NarrowingCounts(overflows: 2, underflows: 2))
            let stored = try #require(try weights(at: folder.path("m.qnf"))["ln.bias"])
            #expect(stored.scalarType == .f16 && stored.dimensions == [13])
            let found = stored.bytes.withUnsafeBytes { Array($0.bindMemory(to: Float16.self)) }
            for (value, expected) in zip(found, Self.wide.map { Float16($0) }) {
                #expect(value.bitPattern == expected.bitPattern || value.isNaN && expected.isNaN)
            }
        }
    }

    @Test func castsToBF16AndCountsWhatIsLost() throws {
        let values: [Float] = [
            0, -3, Float(bitPattern: 0x7f7f_8000), Float(bitPattern: 0x7f7f_7fff), Float(bitPattern: 0xff7f_ffff), Float(bitPattern: 1),
            Float(bitPattern: 0x8000), Float(bitPattern: 0x8001), .infinity, Float(bitPattern: 0x3f80_8000), Float(bitPattern: 0x3f81_8000),
        ]
        let expected: [UInt16] = [0, 0xc040, 0x7f80, 0x7f7f, 0xff80, 0, 0, 1, 0x7f80, 0x3f80, 0x3f82]
        let folder = try TemporaryFolder()
        try folder.write([StoredTensor("ln.bias", [11], values)].safetensors(), to: "m.safetensors")
        let report = try convert(folder.path("m.safetensors"), to: folder.path("m.qnf"), castingTo: .bf16)
        #expect(report.narrowing == NarrowingCounts(overflows: 2, underflows: 2))
        #expect(try weights(at: folder.path("m.qnf"))["ln.bias"] == StoredTensor("ln.bias", .bf16, [11], bitPatterns: expected))
    }

    @Test func castsFromF64() throws {
        let folder = try TemporaryFolder()
        let values = [1 + 0x1p-24, 1 + 0x1.8p-24, 1e300, -1e-300, 1e39, .infinity]
        try folder.write([StoredTensor("ln.bias", .f64, [6], Self.bytes(values))].safetensors(), to: "m.safetensors")
        let wide = try convert(folder.path("m.safetensors"), to: folder.path("m.qnf"), castingTo: .f32)
        #expect(wide.narrowing == NarrowingCounts(overflows: 2, underflows: 1))
        let expected = values.map { Float($0) }
        #expect(try weights(at: folder.path("m.qnf"))["ln.bias"] == StoredTensor("ln.bias", [6], expected))
        let narrow = try convert(folder.path("m.safetensors"), to: folder.path("n.qnf"), castingTo: .bf16)
        #expect(narrow.narrowing == NarrowingCounts(overflows: 2, underflows: 1))
        let kept = try convert(folder.path("m.safetensors"), to: folder.path("k.qnf"))
        #expect(kept.narrowing == NarrowingCounts())
        #expect(try weights(at: folder.path("k.qnf"))["ln.bias"]?.bytes == Self.bytes(values))
    }

    /// Integers are not cast, a type is not cast to itself, widening is exact.
    @Test func castsOnlyWhatIsAFloatOfAnotherType() throws {
        let folder = try TemporaryFolder()
        let tensors = [
            StoredTensor("a", .i64, [1], [1, 2, 3, 4, 5, 6, 7, 8]), StoredTensor("b", .bf16, [2], bitPatterns: [0x3f80, 0xff80]),
            StoredTensor("c", .f16, [2], Self.bytes([Float16(0.1), -65504])), StoredTensor("d", .f8e4m3, [3], [0x38, 0x7e, 0x80]),
            StoredTensor("e", .f8e5m2, [2], [0x3c, 0xfb]), StoredTensor("f", .f16, [0], []), StoredTensor("g", .u8, [2], [1, 2]),
        ]
        try folder.write(tensors.safetensors(), to: "m.safetensors")
        let report = try convert(folder.path("m.safetensors"), to: folder.path("m.qnf"), castingTo: .f32)
        #expect(report.narrowing == NarrowingCounts() && report.keptCount == 7)
        let stored = try weights(at: folder.path("m.qnf"))
        #expect(stored["a"] == tensors[0] && stored["g"] == tensors[6])
        #expect(stored["b"] == StoredTensor("b", [2], [1, -.infinity]))
        #expect(stored["c"] == StoredTensor("c", [2], [Float(Float16(0.1)), -65504]))
        #expect(stored["d"] == StoredTensor("d", [3], [1, 448, -0.0]))
        #expect(stored["e"] == StoredTensor("e", [2], [1, -57344]))
        #expect(stored["f"] == StoredTensor("f", [0], []))
        try convert(folder.path("m.safetensors"), to: folder.path("n.qnf"), castingTo: .bf16)
        #expect(try weights(at: folder.path("n.qnf"))["b"] == tensors[1])
    }

    /// What the quant state records, and that the codes are those of the values as float32.
    @Test(arguments: [
        (ScalarType.f32, "float32"), (.f16, "float16"), (.bf16, "bfloat16"), (.f64, "float32"), (.f8e4m3, "bfloat16"),
        (.f8e5m2, "bfloat16"),
    ]) func everyFloatIsQuantizedByItsValue(_ type: ScalarType, _ recorded: String) throws {
        let values: [Float] = (0..<200).map { Float($0 % 17 - 8) / 4 }
        let bytes: [UInt8] =
            switch type {
            case .f32: values.withUnsafeBytes { Array($0) }
            case .f16: Self.bytes(values.map { Float16($0) })
            case .f64: Self.bytes(values.map { Double($0) })
            case .bf16: values.map { UInt16($0.bitPattern >> 16) }.withUnsafeBytes { Array($0) }
            case .f8e5m2: values.map { UInt8(Float16($0).bitPattern >> 8) }
            default: values.map(Self.e4m3)
            }
        // Multiples of a quarter up to 2: exact in every type but e5m2, which has two bits of mantissa and loses odd ones above 1.
        let exact = type == .f8e5m2 ? values.map { Float(Float16(bitPattern: Float16($0).bitPattern & 0xff00)) } : values
        let folder = try TemporaryFolder()
        try folder.write([StoredTensor("a.weight", type, [2, 100], bytes)].safetensors(), to: "m.safetensors")
        try folder.write([StoredTensor("a.weight", [2, 100], exact)].safetensors(), to: "wide.safetensors")
        try convert(folder.path("m.safetensors"), to: folder.path("m.qnf"))
        try convert(folder.path("wide.safetensors"), to: folder.path("wide.qnf"))
        var stored = try weights(at: folder.path("m.qnf")), wide = try weights(at: folder.path("wide.qnf"))
        let state = "a.weight.quant_state.bitsandbytes__nf4"
        let text = String(decoding: try #require(stored[state]).bytes, as: UTF8.self)
        #expect(text.contains("\"dtype\": \"\(recorded)\""))
        (stored[state], wide[state]) = (nil, nil)
        #expect(stored == wide)
        #expect(try RoundtripTests.compare(folder.path("m.safetensors"), folder.path("m.qnf")).isBitExact)
    }

    /// Multiples of a quarter up to 2, by hand: a sign, four bits of exponent with bias 7, three of mantissa.
    private static func e4m3(_ value: Float) -> UInt8 {
        guard value != 0 else { return 0 }
        let exponent = Int(value.exponent),
            mantissa = UInt8((value.magnitude / Float(sign: .plus, exponent: exponent, significand: 1) - 1) * 8)
        return (value < 0 ? 0x80 : 0) | UInt8(exponent + 7) << 3 | mantissa
    }
}
