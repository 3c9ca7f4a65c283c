import CKernels
import TestSupport
import Testing

struct BlocksTests {
    /// All formats, by ggml's numbers.
    static let identifiers: [UInt32] = (0..<1000).filter { qk_blockFormat_of($0) != nil }

    @Test func knowsTheTypesThatAreBlocksInFiles() {
        #expect(
            Self.identifiers == [2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 29, 34, 35, 39, 40, 41, 42])
        #expect(qk_blockFormat_of(.max) == nil)
    }

    /// Random bytes have scales of every kind: subnormal, infinite, NaN.
    @Test(arguments: identifiers)
    func levelsGiveTheSameBits(_ identifier: UInt32) throws {
        let format = try #require(qk_blockFormat_of(identifier)).pointee, blockCount = 61
        var random = SeededGenerator(seed: UInt64(identifier) + 1)
        let blocks = random.bytes(blockCount * format.byteCount + 1)
        let count = blockCount * format.elementCount
        for start in [0, 1] {
            let results = levels.map { level in
                // A value behind them that stays.
                var values = [Float](repeating: 7, count: count + 1)
                blocks.withUnsafeBufferPointer {
                    format.decode(level, $0.baseAddress.map { $0 + start }, blockCount, &values)
                }
                return values
            }
            #expect(results[0].contains { $0.isFinite && $0 != 0 })
            for (level, result) in zip(levels, results) {
                #expect(result[count] == 7, "\(level.name)")
                #expect(isSame(result, results[0]), "\(level.name)")
            }
        }
    }

    @Test(arguments: identifiers)
    func decodesNoBlocks(_ identifier: UInt32) throws {
        let format = try #require(qk_blockFormat_of(identifier)).pointee
        for level in levels { format.decode(level, nil, 0, nil) }
    }
}
