import CKernels
import TestSupport
import Testing

struct Statistics4Tests {
    /// Codes, constants and a map; what the kernels say of them is compared with what they say of the dequantized elements.
    private struct Blocks {
        var map: [Float] = [
            -1, -0.6962, -0.5251, -0.3949, -0.2844, -0.1848, -0.0911, 0, 0.0796, 0.1609, 0.2461, 0.3379, 0.4407, 0.5626, 0.723, 1,
        ]
        var packed: [UInt8]
        var absmax: [Float]
        let count: Int
        let blockSize: Int

        init(seed: UInt64, count: Int, blockSize: Int) {
            var random = SeededGenerator(seed: seed)
            packed = (0..<(count + 1) / 2).map { _ in UInt8.random(in: 0...255, using: &random) }
            absmax = (0..<(count + blockSize - 1) / blockSize).map { _ in Float.random(in: 0.01...0.1, using: &random) }
            self.count = count
            self.blockSize = blockSize
        }

        func with<Result>(_ body: (qk_blocks4) -> Result) -> Result {
            map.withUnsafeBufferPointer { map in
                packed.withUnsafeBufferPointer { packed in
                    absmax.withUnsafeBufferPointer { absmax in
                        body(
                            qk_blocks4(
                                quantMap: map.baseAddress, packed: packed.baseAddress, absmax: absmax.baseAddress, count: count,
                                blockSize: blockSize))
                    }
                }
            }
        }

        func summaries(_ level: qk_simd) -> (runs: [qk_summary], codes: [UInt64]) {
            var runs = [qk_summary](repeating: qk_summary_empty, count: (count + Int(QK_RUN4) - 1) / Int(QK_RUN4))
            var codes = [UInt64](repeating: 0, count: 16)
            with { qk_summarize4_at(level, $0, &codes, &runs) }
            return (runs, codes)
        }

        func bits(_ level: qk_simd) -> [UInt64] {
            let (runs, codes) = summaries(level)
            return runs.withUnsafeBytes { Array($0.bindMemory(to: UInt64.self)) } + codes
        }

        var dequantized: [Float] {
            var values = [Float](repeating: 0, count: count)
            qk_dequantize4(map, packed, absmax, count, blockSize, QK_F32, &values)
            return values
        }
    }

    private static func total(_ runs: [qk_summary]) -> qk_summary {
        runs.reduce(into: qk_summary_empty) { total, run in withUnsafePointer(to: run) { qk_summary_append(&total, $0) } }
    }

    /// Constants that leave the fast way: zeros, tiny, huge, negative, not finite.
    private static let odd: [Float] = [0, 0x1p-146, 3e38, -0.5, .infinity, -.infinity, .nan, 1e-31]

    private static let sizes = [
        (1, 64), (63, 64), (512, 64), (513, 64), (5000, 64), (16384, 64), (40_001, 64), (1000, 32), (20_000, 32), (40_000, 128),
        (33_333, 4096), (16384, 4096),
    ]

    @Test(arguments: levels)
    func everyLevelGivesTheSameSums(_ level: qk_simd) {
        for (count, blockSize) in Self.sizes {
            var blocks = Blocks(seed: 1, count: count, blockSize: blockSize)
            #expect(difference(blocks.bits(level), blocks.bits(QK_SCALAR)) == nil)
            for (index, value) in Self.odd.enumerated() where 3 * index < blocks.absmax.count { blocks.absmax[3 * index] = value }
            #expect(difference(blocks.bits(level), blocks.bits(QK_SCALAR)) == nil)
            blocks.map[3] = 1e20
            #expect(difference(blocks.bits(level), blocks.bits(QK_SCALAR)) == nil)
        }
    }

    @Test(arguments: levels)
    func isWhatTheDequantizedElementsAre(_ level: qk_simd) {
        for (count, blockSize) in Self.sizes {
            for isOdd in [false, true] {
                var blocks = Blocks(seed: 2, count: count, blockSize: blockSize)
                if isOdd { for (index, value) in Self.odd.enumerated() where index < blocks.absmax.count { blocks.absmax[index] = value } }
                let (runs, codes) = blocks.summaries(level)
                let found = Self.total(runs), values = blocks.dequantized, finite = values.filter(\.isFinite)
                #expect(found.finite == UInt64(finite.count))
                #expect(found.nans == UInt64(values.count(where: \.isNaN)))
                #expect(found.positiveInfinities == UInt64(values.count { $0 == .infinity }))
                #expect(found.negativeInfinities == UInt64(values.count { $0 == -.infinity }))
                #expect(found.zeros == UInt64(values.count { $0 == 0 }))
                #expect(found.minimum == finite.min().map(Double.init) ?? .infinity)
                #expect(found.maximum == finite.max().map(Double.init) ?? -.infinity)
                var expectedCodes = [UInt64](repeating: 0, count: 16)
                for index in 0..<count {
                    expectedCodes[Int(index % 2 == 0 ? blocks.packed[index / 2] >> 4 : blocks.packed[index / 2] & 15)] += 1
                }
                #expect(codes == expectedCodes)
                guard !finite.isEmpty else { continue }
                let mean = finite.reduce(0) { $0 + Double($1) } / Double(finite.count)
                let squares = finite.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
                let scale = max(abs(found.minimum), abs(found.maximum))
                #expect(abs(found.mean - mean) <= 1e-12 * scale)
                #expect(abs(found.squares - squares) <= 1e-9 * squares)
            }
        }
    }

    @Test(arguments: levels)
    func isAccurateWhereTheMeanIsLarge(_ level: qk_simd) {
        // All codes are the highest: each element is its block's constant, and those hardly differ.
        var blocks = Blocks(seed: 3, count: 40_960, blockSize: 64)
        blocks.packed = [UInt8](repeating: 0xff, count: 20_480)
        blocks.absmax = blocks.absmax.indices.map { 100 + ($0 % 2 == 0 ? 0 : 0x1p-16) }
        let total = Self.total(blocks.summaries(level).runs)
        #expect(abs((total.squares / 40_960).squareRoot() / 0x1p-17 - 1) < 1e-9)
        blocks.absmax = blocks.absmax.map { _ in 0.1 }
        let equal = Self.total(blocks.summaries(level).runs)
        #expect(equal.mean == Double(Float(0.1)) && equal.squares == 0)
    }

    @Test(arguments: levels)
    func countsFarElementsAndBins(_ level: qk_simd) {
        for (count, blockSize) in Self.sizes {
            var blocks = Blocks(seed: 4, count: count, blockSize: blockSize)
            if blocks.absmax.count > 4 { blocks.absmax[2] = .nan }
            let values = blocks.dequantized
            let far = blocks.with { qk_count_far4_at(level, $0, 0.01, 0.04) }
            #expect(far == UInt64(values.count { $0.isFinite && abs(Double($0) - 0.01) > 0.04 }))
            let bins = qk_bins(lowest: -0.1, binsPerUnit: 35, binCount: 7)
            var counts = [UInt64](repeating: 0, count: 7), expected = counts
            blocks.with { qk_histogram4_at(level, $0, bins, &counts) }
            qk_histogram(QK_F32, values, values.count, bins, &expected)
            #expect(counts == expected)
            #expect(counts.reduce(0, +) == UInt64(values.count(where: \.isFinite)))
        }
    }
}
