import TestSupport
import Testing

@testable import Compression

struct ZlibStreamTests {
    /// Runs of bytes of many kinds: how long, and which bytes.
    private static let kinds: [@Sendable (inout SeededGenerator) -> UInt8] = [
        { _ in 5 },
        { UInt8.random(in: .min ... .max, using: &$0) },
        // A byte is half as frequent as the one below it: the longest codes that there are, and longer ones cut.
        { UInt8(UInt64.random(in: 1 ... .max, using: &$0).leadingZeroBitCount) },
        { UInt8.random(in: 0..<10, using: &$0) },
        { UInt64.random(in: 0..<1000, using: &$0) == 0 ? 255 : 1 << UInt8.random(in: 0..<8, using: &$0) },
    ]

    @Test(arguments: [0, 1, 2, 3, 100, 4095, 4096, 4097, 32767, 32768, 32769, 65536, 100_003])
    func zlibReadsWhatIsCompressed(_ count: Int) {
        var generator = SeededGenerator(seed: UInt64(count))
        for (kind, byte) in Self.kinds.enumerated() {
            let bytes = (0..<count).map { _ in byte(&generator) }
            for content in [ZlibStream.Content.numbers, .text] {
                let stream = ZlibStream.compress(bytes, content)
                #expect(ZlibStream.decompress(stream, limit: count) == bytes, "kind \(kind), \(count) bytes")
                #expect(stream.count <= count + count / 1000 + 32)
            }
        }
    }

    /// 1.5 bits for each gap, as there is an end beside them, and a little more than 4 for each value; codes for both
    /// together would take 7 bits for the two.
    @Test func gapsAndValuesHaveCodesOfTheirOwn() {
        let count = 8000
        let gaps = (0..<count).map { UInt8($0 % 2) }, values = (0..<count).map { UInt8(1 + $0 % 16) }
        let length = [UInt8(count & 255), UInt8(count >> 8), 0, 0]
        let stream = ZlibStream.compress(length + gaps + values, .numbersInTwoParts(boundary: 4 + count))
        #expect(ZlibStream.decompress(stream, limit: 4 + 2 * count) == length + gaps + values)
        #expect(stream.count < count * 57 / 80 + 100, "\(stream.count)")
    }

    @Test func refusesStreamsThatAreDamagedOrTooLong() {
        let bytes = (0..<10_000).map { UInt8($0 % 7) }
        let stream = ZlibStream.compress(bytes, .numbers)
        #expect(ZlibStream.decompress(stream, limit: bytes.count - 1) == nil)
        #expect(ZlibStream.decompress(stream + [0], limit: bytes.count) == nil)
        #expect(ZlibStream.decompress(stream.dropLast(), limit: bytes.count) == nil)
        for place in [0, 5, stream.count / 2, stream.count - 1] {
            var damaged = stream
            damaged[place] ^= 0x10
            #expect(ZlibStream.decompress(damaged, limit: bytes.count) == nil, "byte \(place)")
        }
    }
}
