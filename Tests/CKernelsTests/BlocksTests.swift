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

    private static let encoded = identifiers.filter { qk_blockFormat_of($0)?.pointee.encode != nil }

    /// Values of one kind in each block: ordinary ones, few different ones, with zeros of both signs, offset, tiny, huge, of any size.
    private static func values(_ count: Int, blockSize: Int, seed: UInt64) -> [Float] {
        var random = SeededGenerator(seed: seed)
        let normal = random.normals(count: count), pattern = random.finitePatterns(count)
        return (0..<count).map { i in
            let x = normal[i]
            switch i / blockSize % 8 {
            case 0: return x
            case 1: return x.rounded()
            case 2: return i % 3 == 0 ? x : i % 2 == 0 ? 0 : -0.0
            case 3: return 100 + x
            case 4: return -50 + x
            case 5: return x * 0x1p-135
            case 6: return x * 1e4
            default: return Float(bitPattern: pattern[i].bitPattern & 0x87ff_ffff | 0x3800_0000)
            }
        }
    }

    @Test(arguments: encoded)
    func levelsWriteTheSameBytes(_ identifier: UInt32) throws {
        let format = try #require(qk_blockFormat_of(identifier)).pointee
        let encode = try #require(format.encode)
        for blockCount in [1, 2, 7, 8, 9, 41] {
            let values = Self.values(blockCount * format.elementCount, blockSize: format.elementCount, seed: UInt64(identifier))
            let results = levels.map { level in
                // A byte behind them that stays.
                var blocks = [UInt8](repeating: 0xaa, count: blockCount * format.byteCount + 1)
                #expect(encode(level, values, blockCount, &blocks) == blockCount, "\(level.name)")
                #expect(blocks.removeLast() == 0xaa, "\(level.name)")
                return blocks
            }
            for (level, result) in zip(levels, results) {
                #expect(difference(result, results[0]) == nil, "\(level.name), \(blockCount) blocks")
            }
        }
    }

    @Test(arguments: encoded)
    func levelsFindTheFirstUnsoundBlock(_ identifier: UInt32) throws {
        let format = try #require(qk_blockFormat_of(identifier)).pointee
        let encode = try #require(format.encode)
        let values = Self.values(20 * format.elementCount, blockSize: format.elementCount, seed: 1)
        var blocks = [UInt8](repeating: 0, count: 20 * format.byteCount)
        for place in [0, 7, 8, 19] {
            for damage in [.nan, -.infinity, 3e38] as [Float] {
                var damaged = values
                damaged[(place + 1) * format.elementCount - 1] = damage
                for level in levels { #expect(encode(level, damaged, 20, &blocks) == place, "\(level.name), \(damage)") }
            }
        }
    }
}
