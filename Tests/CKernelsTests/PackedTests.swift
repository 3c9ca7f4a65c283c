import CKernels
import TestSupport
import Testing

/// Codes of other programs' quantizations: the same bits on every level, and the values that their definition gives.
struct PackedTests {
    private static let codes = [QK_CODE_E4M3, QK_CODE_E5M2, QK_CODE_I8, QK_CODE_E2M1, QK_CODE_U4]
    private static let e2m1: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]

    private static func decode(
        _ level: qk_simd, _ code: qk_code, _ bytes: [UInt8], count: Int, phase: Int, groupSize: Int, scales: [Float], zeros: [Float]?,
        factor: Float
    ) -> [Float] {
        // A value behind them that stays.
        var values = [Float](repeating: 7, count: count + 1)
        if let zeros {
            qk_scaledCodes_at(level, code, bytes, count, phase, groupSize, scales, zeros, factor, &values)
        } else {
            qk_scaledCodes_at(level, code, bytes, count, phase, groupSize, scales, nil, factor, &values)
        }
        #expect(values.removeLast() == 7)
        return values
    }

    @Test(arguments: 0..<5) func levelsGiveTheSameBits(_ kind: Int) {
        var random = SeededGenerator(seed: UInt64(kind))
        let bytes = random.bytes(700), scales = random.normals(count: 700), zeros = random.normals(count: 700)
        for (count, phase, groupSize) in [(1, 0, 1000), (7, 0, 8), (640, 0, 128), (331, 30, 32), (600, 2, 38), (256, 0, 32), (65, 62, 64)] {
            for zeros in [nil, zeros] {
                let results = levels.map {
                    Self.decode(
                        $0, Self.codes[kind], bytes, count: count, phase: phase, groupSize: groupSize, scales: scales, zeros: zeros,
                        factor: 0.3)
                }
                for (level, result) in zip(levels, results) {
                    #expect(isSame(result, results[0]), "\(level.name), \(count) in groups of \(groupSize)")
                }
            }
        }
    }

    @Test func everyCodeIsItsValue() {
        let bytes = (0...255).map { UInt8($0) }
        for level in levels {
            let e4m3 = Self.decode(level, QK_CODE_E4M3, bytes, count: 256, phase: 0, groupSize: 256, scales: [1], zeros: nil, factor: 1)
            var widened = [Float](repeating: 0, count: 256)
            qk_widen(QK_F8_E4M3, bytes, 256, &widened)
            #expect(isSame(e4m3, widened) && e4m3[0x7e] == 448 && e4m3[0x7f].isNaN && e4m3[1] == 0x1p-9)
            let whole = Self.decode(level, QK_CODE_I8, bytes, count: 256, phase: 0, groupSize: 256, scales: [2], zeros: nil, factor: 1)
            #expect(whole == bytes.map { 2 * Float(Int8(bitPattern: $0)) })
            let pairs = Self.decode(level, QK_CODE_E2M1, bytes, count: 512, phase: 0, groupSize: 512, scales: [1], zeros: nil, factor: 1)
            let expectedPairs: [Float] = bytes.flatMap { byte -> [Float] in [Self.e2m1[Int(byte & 15)], Self.e2m1[Int(byte >> 4)]] }
            #expect(isSame(pairs, expectedPairs))
            let nibbles = Self.decode(level, QK_CODE_U4, bytes, count: 512, phase: 0, groupSize: 512, scales: [0.5], zeros: [3], factor: 1)
            let expected: [Float] = bytes.flatMap { byte -> [Float] in
                let (low, high) = (Float(byte & 15), Float(byte >> 4))
                return [0.5 * (low - 3), 0.5 * (high - 3)]
            }
            #expect(nibbles == expected)
        }
    }

    private static let order = [0, 2, 4, 6, 1, 3, 5, 7]

    /// Codes [inputs][outputs] as words.
    private static func words(_ codes: [[UInt32]], bits: Int, across: Bool) -> [UInt32] {
        let inputs = codes.count, outputs = codes[0].count
        if across {
            var words = [UInt32](repeating: 0, count: inputs * outputs / 8)
            for input in 0..<inputs {
                for output in 0..<outputs {
                    let nibble = order.firstIndex(of: output % 8) ?? 0
                    words[(input * outputs + output) / 8] |= codes[input][output] << UInt32(4 * nibble)
                }
            }
            return words
        }
        var words = [UInt32](repeating: 0, count: inputs * bits / 32 * outputs)
        for input in 0..<inputs {
            for output in 0..<outputs {
                for bit in 0..<bits where codes[input][output] >> UInt32(bit) & 1 != 0 {
                    let place = input * bits + bit
                    words[place / 32 * outputs + output] |= 1 << UInt32(place % 32)
                }
            }
        }
        return words
    }

    @Test(arguments: [(2, false), (3, false), (4, false), (8, false), (4, true)], [(64, 8), (32, 72), (96, 200)])
    func columnsAreTurned(_ layout: (bits: Int, across: Bool), _ size: (inputs: Int, outputs: Int)) {
        var random = SeededGenerator(seed: UInt64(layout.bits))
        let limit = UInt32(1) << UInt32(layout.bits)
        let codes = (0..<size.inputs).map { _ in (0..<size.outputs).map { _ in UInt32.random(in: 0..<limit, using: &random) } }
        let words = Self.words(codes, bits: layout.bits, across: layout.across)
        // In no order.
        let groups = (0..<size.inputs).map { UInt32($0 * 7 % 5) }
        let scales = random.normals(count: 5 * size.outputs)
        let zeros = (0..<5 * size.outputs).map { _ in Float(UInt32.random(in: 0..<limit, using: &random)) }
        var expected = [Float](repeating: 0, count: size.inputs * size.outputs)
        for input in 0..<size.inputs {
            for output in 0..<size.outputs {
                let place = Int(groups[input]) * size.outputs + output
                expected[output * size.inputs + input] = scales[place] * (Float(codes[input][output]) - zeros[place])
            }
        }
        for level in levels {
            var values = [Float](repeating: 7, count: expected.count + 1)
            words.withUnsafeBufferPointer { words in
                groups.withUnsafeBufferPointer { groups in
                    scales.withUnsafeBufferPointer { scales in
                        zeros.withUnsafeBufferPointer { zeros in
                            var columns = qk_columns(
                                order: layout.across ? QK_COLUMNS_ACROSS : QK_COLUMNS_DOWN, bits: UInt32(layout.bits),
                                inputCount: size.inputs, outputCount: size.outputs, words: words.baseAddress, groups: groups.baseAddress,
                                scales: scales.baseAddress, zeros: zeros.baseAddress)
                            qk_columns_decode_at(level, &columns, &values)
                        }
                    }
                }
            }
            #expect(values.removeLast() == 7 && isSame(values, expected), "\(level.name)")
        }
    }
}
