import CKernels
import TestSupport
import Testing

/// Codes of one quantizer to those of another: what decoding and quantizing makes of them, bit for bit.
struct Requantize4Tests {
    private static let count = 2048

    private struct Result: Equatable {
        var packed: [UInt8]
        var absmax: [UInt32]
        var first: Int
    }

    private static func requantize(
        _ level: qk_simd, _ format: qk_grouped, _ bytes: [UInt8], start: Int, _ scales: [Float], _ offsets: [Float], _ type: qk_float,
        _ code: qk_code4, blockSize: Int
    ) -> Result {
        var packed = [UInt8](repeating: 7, count: count / 2), absmax = [Float](repeating: 7, count: count / blockSize)
        let first = qk_requantize4_at(
            level, format, bytes, start, count, scales, offsets, type, code, blockSize, &packed, &absmax)
        return Result(packed: packed, absmax: absmax.map(\.bitPattern), first: first)
    }

    private static func expected(
        _ format: qk_grouped, _ bytes: [UInt8], start: Int, _ scales: [Float], _ offsets: [Float], _ type: qk_float, _ code: qk_code4,
        blockSize: Int
    ) -> Result {
        var values = [Float](repeating: 0, count: count)
        qk_grouped_decode_at(QK_SCALAR, format, bytes, start, count, scales, offsets, type, &values)
        var packed = [UInt8](repeating: 0, count: count / 2), absmax = [Float](repeating: 0, count: count / blockSize)
        let first = qk_quantize4_at(QK_SCALAR, code, type, values, count, blockSize, &packed, &absmax)
        return Result(packed: packed, absmax: absmax.map(\.bitPattern), first: first)
    }

    /// Ordinary constants, blocks of few different codes, of zeros, of subnormal values, and with numbers that are none.
    @Test(arguments: [QK_F32, QK_F16, QK_BF16], [QK_NF4, QK_FP4])
    func isDecodedAndQuantized(_ type: qk_float, _ code: qk_code4) {
        var random = SeededGenerator(seed: UInt64(type.rawValue) * 2 + UInt64(code.rawValue))
        var bytes = random.bytes(Self.count / 2)
        for index in 64..<128 { bytes[index] = 0x88 }
        for index in 128..<160 { bytes[index] = 0x77 | UInt8(index & 1) << 3 }
        for kind in [QK_CODES_STREAM, QK_CODES_E2M1] {
            for arithmetic in [QK_SCALED, QK_SCALED_THEN_MOVED, QK_MOVED_THEN_SCALED, QK_SCALED_TWICE] {
                for (groupSize, blockSize, start) in [(64, 64, 0), (128, 64, 64), (256, 128, 128), (4096, 1024, 1024), (4096, 64, 0)] {
                    let format = qk_grouped(
                        kind: kind, bits: 4, shift: 0, arithmetic: arithmetic, rounding: type, groupSize: groupSize)
                    #expect(qk_requantize4_takes(format, blockSize))
                    let groups = (start + Self.count) / groupSize + 1
                    let offsets = (0..<groups).map { _ in Float(Int.random(in: 0..<16, using: &random)) }
                    var scales = random.normals(count: groups, scale: 0.02)
                    for special in [nil, 0x1p-149, 0, Float.infinity, .nan, 3e38] {
                        if let special { scales[groups / 2] = special }
                        let expected = Self.expected(
                            format, bytes, start: start, scales, offsets, type, code, blockSize: blockSize)
                        for level in levels {
                            let result = Self.requantize(
                                level, format, bytes, start: start, scales, offsets, type, code, blockSize: blockSize)
                            #expect(
                                result == expected,
                                "\(level.name), \(kind), \(arithmetic), \(blockSize) in \(groupSize), \(String(describing: special))")
                        }
                    }
                }
            }
        }
    }

    @Test func takesBlocksOfOneGroup() {
        func format(_ kind: qk_codeKind, bits: UInt32 = 4, groupSize: Int) -> qk_grouped {
            qk_grouped(kind: kind, bits: bits, shift: 0, arithmetic: QK_SCALED, rounding: QK_F32, groupSize: groupSize)
        }
        #expect(qk_requantize4_takes(format(QK_CODES_STREAM, groupSize: 128), 64))
        #expect(!qk_requantize4_takes(format(QK_CODES_STREAM, groupSize: 128), 256))
        #expect(!qk_requantize4_takes(format(QK_CODES_STREAM, groupSize: 96), 64))
        #expect(!qk_requantize4_takes(format(QK_CODES_STREAM, groupSize: 64), 32))
        #expect(!qk_requantize4_takes(format(QK_CODES_STREAM, bits: 8, groupSize: 64), 64))
        #expect(!qk_requantize4_takes(format(QK_CODES_WORDS, groupSize: 64), 64))
        #expect(!qk_requantize4_takes(format(QK_CODES_E2M1, groupSize: 32), 64))
    }
}
