import CKernels
import TestSupport
import Testing

/// Codes that share scales in groups, against the same written out one element at a time.
@Suite struct GroupedTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let kind: qk_codeKind
        let bits: Int
        var shift = 0

        /// Bytes of so many codes.
        func byteCount(_ count: Int) -> Int {
            switch kind {
            case QK_CODES_STREAM: (count * bits + 7) / 8
            case QK_CODES_WORDS: count / (32 / bits) * 4 + (count % (32 / bits) * bits + 7) / 8
            case QK_CODES_OF_WORDS: 4 * count
            case QK_CODES_E2M1: (count + 1) / 2
            default: count
            }
        }

        /// The number of a code, bit by bit.
        func number(_ index: Int, _ bytes: [UInt8]) -> Float {
            func unsigned(_ firstBit: Int, _ count: Int) -> Int {
                (0..<count).reduce(0) { $0 | Int(bytes[(firstBit + $1) / 8] >> ((firstBit + $1) % 8) & 1) << $1 }
            }
            switch kind {
            case QK_CODES_STREAM: return Float(unsigned(index * bits, bits))
            case QK_CODES_WORDS: return Float(unsigned(index / (32 / bits) * 32 + index % (32 / bits) * bits, bits))
            case QK_CODES_OF_BYTES: return Float(unsigned(8 * index + shift, bits))
            case QK_CODES_OF_WORDS: return Float(unsigned(32 * index + shift, bits))
            case QK_CODES_I8: return Float(Int8(bitPattern: bytes[index]))
            case QK_CODES_E2M1:
                let code = unsigned(4 * index, 4), magnitude: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
                return code < 8 ? magnitude[code] : -magnitude[code - 8]
            default:
                var (byte, value) = (bytes[index], Float(0))
                qk_widen(kind == QK_CODES_E5M2 ? QK_F8_E5M2 : QK_F8_E4M3, &byte, 1, &value)
                return value
            }
        }

        var testDescription: String { "kind \(kind.rawValue), \(bits) bits, shift \(shift)" }
    }

    static let cases: [Case] =
        (1...8).flatMap { [Case(kind: QK_CODES_STREAM, bits: $0), Case(kind: QK_CODES_WORDS, bits: $0)] } + [
            Case(kind: QK_CODES_OF_BYTES, bits: 8), Case(kind: QK_CODES_OF_BYTES, bits: 4, shift: 4),
            Case(kind: QK_CODES_OF_BYTES, bits: 4),
            Case(kind: QK_CODES_OF_BYTES, bits: 2, shift: 6), Case(kind: QK_CODES_OF_BYTES, bits: 1, shift: 7),
            Case(kind: QK_CODES_OF_WORDS, bits: 3, shift: 27), Case(kind: QK_CODES_OF_WORDS, bits: 3), Case(kind: QK_CODES_I8, bits: 8),
            Case(kind: QK_CODES_E2M1, bits: 4), Case(kind: QK_CODES_E4M3, bits: 8), Case(kind: QK_CODES_E5M2, bits: 8),
        ]

    private static func rounded(_ value: Float, _ type: qk_float) -> Float {
        var (value, stored, result) = (value, UInt32(0), Float(0))
        qk_narrow(type, &value, 1, &stored)
        qk_widen(type, &stored, 1, &result)
        return result
    }

    /// What the first operation is rounded to, and the result.
    private static let types = [(QK_F32, QK_F32), (QK_F16, QK_F32), (QK_BF16, QK_F32), (QK_F32, QK_F16), (QK_BF16, QK_BF16)]

    /// Elements as float32.
    private static func decode(
        _ level: qk_simd, _ format: qk_grouped, _ bytes: [UInt8], start: Int, count: Int, _ scales: [Float], _ offsets: [Float],
        _ type: qk_float
    ) -> [Float] {
        // Bytes behind them that stay.
        let size = type == QK_F32 ? 4 : 2
        var stored = [UInt8](repeating: 7, count: count * size + 4), values = [Float](repeating: 0, count: count)
        qk_grouped_decode_at(level, format, bytes, start, count, scales, offsets, type, &stored)
        #expect(stored[(count * size)...] == [7, 7, 7, 7])
        qk_widen(type, stored, count, &values)
        return values
    }

    private static func expected(
        _ test: Case, _ format: qk_grouped, _ bytes: [UInt8], start: Int, count: Int, _ scales: [Float], _ offsets: [Float]
    ) -> [Float] {
        (0..<count).map { index in
            let number = test.number(index, bytes), group = (start + index) / format.groupSize
            switch format.arithmetic {
            case QK_SCALED: return number * scales[group]
            case QK_SCALED_TWICE: return number * scales[group] * offsets[group]
            case QK_SCALED_THEN_MOVED: return rounded(rounded(number * scales[group], format.rounding) + offsets[group], format.rounding)
            default: return rounded(rounded(number - offsets[group], format.rounding) * scales[group], format.rounding)
            }
        }
    }

    @Test(arguments: cases) func isWhatTheFormulaSays(_ test: Case) {
        var random = SeededGenerator(seed: UInt64(test.kind.rawValue) * 64 + UInt64(test.bits) * 8 + UInt64(test.shift))
        // Longer than a piece, and of no whole groups.
        for (count, groupSize, start) in [
            (1, 32, 0), (31, 32, 31), (64, 16, 0), (2077, 64, 0), (2000, 64, 40), (1999, 1, 0), (4000, 1000, 999),
        ] {
            let bytes = random.bytes(test.byteCount(count)), groups = (start + count - 1) / groupSize + 1
            let scales = random.normals(count: groups, scale: 0.3), offsets = random.normals(count: groups, scale: 3)
            for arithmetic in [QK_SCALED, QK_SCALED_THEN_MOVED, QK_MOVED_THEN_SCALED, QK_SCALED_TWICE] {
                for (rounding, type) in Self.types {
                    let format = qk_grouped(
                        kind: test.kind, bits: UInt32(test.bits), shift: UInt32(test.shift), arithmetic: arithmetic, rounding: rounding,
                        groupSize: groupSize)
                    let expected = Self.expected(test, format, bytes, start: start, count: count, scales, offsets)
                        .map { Self.rounded($0, type) }
                    for level in levels {
                        let values = Self.decode(level, format, bytes, start: start, count: count, scales, offsets, type)
                        #expect(
                            isSame(values, expected),
                            "\(level.name), \(count), groups of \(groupSize), \(arithmetic), \(rounding), \(type)")
                    }
                }
            }
        }
    }

    /// Infinite and NaN constants, subnormal ones, and such as float16 has none of.
    @Test func levelsAgreeAboutEveryConstant() {
        var random = SeededGenerator(seed: 5)
        let count = 4096, bytes = random.bytes(count)
        var scales = (0..<count / 16).map { _ in Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &random)) }
        scales.replaceSubrange(0..<6, with: [.nan, .infinity, -0.0, 0x1p-127, 0x1p-149, 65520])
        let offsets = scales.reversed().map { $0 }
        for kind in [QK_CODES_STREAM, QK_CODES_E2M1, QK_CODES_E4M3] {
            for arithmetic in [QK_SCALED, QK_SCALED_THEN_MOVED, QK_MOVED_THEN_SCALED, QK_SCALED_TWICE] {
                for (rounding, type) in Self.types {
                    for groupSize in [16, 32] {
                        let format = qk_grouped(
                            kind: kind, bits: 4, shift: 0, arithmetic: arithmetic, rounding: rounding, groupSize: groupSize)
                        let results = levels.map { Self.decode($0, format, bytes, start: 0, count: count, scales, offsets, type) }
                        #expect(results.allSatisfy { isSame($0, results[0]) }, "\(kind), \(arithmetic), \(rounding), \(type)")
                    }
                }
            }
        }
    }

    @Test func decodesNothing() {
        let format = qk_grouped(kind: QK_CODES_STREAM, bits: 3, shift: 0, arithmetic: QK_SCALED, rounding: QK_F32, groupSize: 32)
        for level in levels { qk_grouped_decode_at(level, format, nil, 0, 0, nil, nil, QK_F32, nil) }
    }
}
