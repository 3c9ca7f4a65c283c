import ByteIO
import TestSupport
import Testing

@testable import TensorFlowFormat

@Suite struct SnappyTests {
    private static func decompress(_ bytes: [UInt8], limit: Int = 1 << 20) throws -> [UInt8] {
        try Snappy.decompress(bytes[...], origin: 0, limit: limit)
    }

    @Test(
        "reads every element",
        arguments: [
            ("nothing", [0x00], ""),
            ("a literal", [0x03, 0x08, 0x61, 0x62, 0x63], "abc"),
            ("a literal of a counted byte", [0x03, 0xf0, 0x02, 0x61, 0x62, 0x63], "abc"),
            ("a literal of four counted bytes", [0x03, 0xfc, 0x02, 0x00, 0x00, 0x00, 0x61, 0x62, 0x63], "abc"),
            ("a copy of 11 bits", [0x08, 0x0c, 0x61, 0x62, 0x63, 0x64, 0x01, 0x04], "abcdabcd"),
            ("a copy of 16 bits", [0x06, 0x08, 0x61, 0x62, 0x63, 0x0a, 0x03, 0x00], "abcabc"),
            ("a copy of 32 bits", [0x06, 0x08, 0x61, 0x62, 0x63, 0x0b, 0x03, 0x00, 0x00, 0x00], "abcabc"),
            ("a copy of what it makes", [0x08, 0x00, 0x61, 0x0d, 0x01], "aaaaaaaa"),
            ("a pattern of what it makes", [0x09, 0x04, 0x61, 0x62, 0x1a, 0x02, 0x00], "ababababa"),
        ] as [(String, [UInt8], String)])
    func readsElements(name: String, bytes: [UInt8], text: String) throws {
        #expect(try Self.decompress(bytes) == Array(text.utf8), "\(name)")
    }

    @Test func readsLongDistances() throws {
        var bytes = (0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ ($0 >> 7)) }
        bytes += bytes[100..<160] + bytes[69_000..<69_010] + bytes[10..<40]
        let compressed = SnappyWriter.compress(bytes)
        #expect(compressed.count < bytes.count)
        #expect(try Self.decompress(compressed) == bytes)
    }

    @Test func readsWhatTheWriterCompresses() throws {
        var generator = SeededGenerator(seed: 7)
        for count in [1, 3, 4, 59, 60, 61, 62, 255, 256, 257, 4000] {
            let bytes = (0..<count).map { _ in UInt8(generator.next() % 3) }
            #expect(try Self.decompress(SnappyWriter.compress(bytes)) == bytes)
        }
    }

    @Test func keepsToTheLimit() throws {
        let compressed = SnappyWriter.compress([UInt8](repeating: 7, count: 1000))
        #expect(try Self.decompress(compressed, limit: 1000).count == 1000)
        #expect(throws: ByteReader.Failure.self) { try Self.decompress(compressed, limit: 999) }
    }

    /// Any bytes at all: decompressed within the limit or refused, never a trap.
    @Test func survivesAnyBytes() throws {
        var generator = SeededGenerator(seed: 42)
        for _ in 0..<20_000 {
            let count = Int(generator.next() % 24)
            let bytes = [UInt8(generator.next() % 64)] + (0..<count).map { _ in UInt8(generator.next() % 70) }
            if let output = try? Self.decompress(bytes) { #expect(output.count == Int(bytes[0])) }
        }
    }
}
