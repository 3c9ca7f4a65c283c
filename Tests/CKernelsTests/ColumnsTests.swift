import CKernels
import TestSupport
import Testing

/// Codes that lie as [inputs, outputs], turned: a stream of bits for each output.
struct ColumnsTests {
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

    /// Those of each output one after the other, as words.
    private static func rows(_ codes: [[UInt32]], bits: Int) -> [[UInt32]] {
        codes[0].indices.map { output in
            var words = [UInt32](repeating: 0, count: (codes.count * bits + 31) / 32)
            for input in codes.indices {
                for bit in 0..<bits where codes[input][output] >> UInt32(bit) & 1 != 0 {
                    let place = input * bits + bit
                    words[place / 32] |= 1 << UInt32(place % 32)
                }
            }
            return words
        }
    }

    /// Rows that are longer than what is turned, on both sides; of AWQ also inputs that fill no word.
    @Test(
        arguments: [(2, false), (3, false), (4, false), (8, false), (4, true)],
        [(64, 8, 0), (32, 72, 3), (96, 200, 16), (160, 520, 1)])
    func columnsBecomeRows(_ layout: (bits: Int, across: Bool), _ size: (inputs: Int, outputs: Int, gap: Int)) {
        var random = SeededGenerator(seed: UInt64(layout.bits))
        let limit = UInt32(1) << UInt32(layout.bits), inputs = layout.across ? size.inputs - 3 : size.inputs
        let codes = (0..<inputs).map { _ in (0..<size.outputs).map { _ in UInt32.random(in: 0..<limit, using: &random) } }
        let packed = Self.words(codes, bits: layout.bits, across: layout.across)
        let rowCount = layout.across ? inputs : inputs * layout.bits / 32, width = packed.count / rowCount
        let words = (0..<rowCount).flatMap { row in
            packed[row * width..<(row + 1) * width] + [UInt32](repeating: 0xffff_ffff, count: size.gap)
        }
        let expected = Self.rows(codes, bits: layout.bits).flatMap { $0 + [UInt32](repeating: 7, count: size.gap) }
        for level in levels {
            var rows = [UInt32](repeating: 7, count: expected.count)
            qk_columns_turn_at(
                level, layout.across ? QK_COLUMNS_ACROSS : QK_COLUMNS_DOWN, words, width + size.gap, rowCount, size.outputs, &rows,
                expected.count / size.outputs)
            #expect(rows == expected, "\(level.name)")
        }
    }

    @Test func constantsAreSpread() {
        var values = [Float](repeating: 7, count: 4)
        qk_columns_spread([2, 0, 2], 3, [0.5, 1.5, 2.5], &values)
        #expect(values == [2.5, 0.5, 2.5, 7])
    }
}
