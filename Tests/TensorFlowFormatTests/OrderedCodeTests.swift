import ByteIO
import Testing

@testable import TensorFlowFormat

@Suite struct OrderedCodeTests {
    @Test(
        "writes signed numbers as TensorFlow does",
        arguments: [
            (0, [0x80]), (1, [0x81]), (63, [0xbf]), (64, [0xc0, 0x40]), (130, [0xc0, 0x82]), (8191, [0xdf, 0xff]),
            (8192, [0xe0, 0x20, 0x00]), (-1, [0x7f]), (-64, [0x40]), (-65, [0x3f, 0xbf]), (-8192, [0x20, 0x00]),
            (1 << 54, [0xff, 0x40, 0, 0, 0, 0, 0, 0]),
            (1 << 55, [0xff, 0x80, 0x80, 0, 0, 0, 0, 0, 0]),
            (1 << 62, [0xff, 0xc0, 0x40, 0, 0, 0, 0, 0, 0, 0]),
            (Int.max, [0xff, 0xc0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            (Int.min, [0x00, 0x3f, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00]),
        ] as [(Int, [UInt8])])
    func writesSigned(value: Int, bytes: [UInt8]) throws {
        var written: [UInt8] = []
        OrderedCode.append(value, to: &written)
        #expect(written == bytes)
        var reader = ByteReader(bytes)
        #expect(try OrderedCode.signed(&reader) == value)
        #expect(reader.remainingCount == 0)
    }

    @Test func keepsTheOrderOfSignedNumbers() {
        let values = (0..<63).flatMap { shift in [-1, 0, 1].map { (1 << shift) + $0 } }
        let sorted = Set(values + values.map { -$0 }).sorted()
        let codes = sorted.map { value in
            var bytes: [UInt8] = []
            OrderedCode.append(value, to: &bytes)
            return bytes
        }
        for (code, next) in zip(codes, codes.dropFirst()) { #expect(code.lexicographicallyPrecedes(next)) }
        for (value, code) in zip(sorted, codes) {
            var reader = ByteReader(code)
            #expect((try? OrderedCode.signed(&reader)) == value)
        }
    }

    @Test(
        "refuses signed numbers of more than 64 bits",
        arguments: [
            [0xff, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0xff, 0xc0, 0x80, 0, 0, 0, 0, 0, 0, 0],
            [0xff, 0xc1, 0, 0, 0, 0, 0, 0, 0, 0],
            [0xff], [0xc0], [],
        ] as [[UInt8]])
    func refusesLongSigned(bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        #expect(throws: ByteReader.Failure.self) { try OrderedCode.signed(&reader) }
    }

    @Test(
        arguments: [(0, [0]), (1, [1, 1]), (255, [1, 255]), (256, [2, 1, 0]), (.max, [8] + [UInt8](repeating: 255, count: 8))]
            as [(UInt64, [UInt8])])
    func writesUnsigned(value: UInt64, bytes: [UInt8]) throws {
        var written: [UInt8] = []
        OrderedCode.append(value, to: &written)
        #expect(written == bytes)
        var reader = ByteReader(bytes)
        #expect(try OrderedCode.unsigned(&reader) == value)
    }

    @Test func escapesZeroAndLastBytes() throws {
        let text: [UInt8] = [0x61, 0x00, 0xff, 0x01, 0x00]
        var written: [UInt8] = []
        OrderedCode.append(text, to: &written)
        #expect(written == [0x61, 0x00, 0xff, 0xff, 0x00, 0x01, 0x00, 0xff, 0x00, 0x01])
        var reader = ByteReader(written)
        #expect(try OrderedCode.text(&reader) == text)
        for bad: [UInt8] in [[0x00, 0x02], [0xff, 0x01], [0x61], [0x61, 0x00]] {
            var reader = ByteReader(bad)
            #expect(throws: ByteReader.Failure.self) { try OrderedCode.text(&reader) }
        }
    }
}

@Suite struct SliceKeyTests {
    /// Rows 258 to 299 of `model/wte` [300, 48], as TensorFlow writes the key.
    private static let key: [UInt8] = [0x00] + Array("model/wte".utf8) + [0x00, 0x01, 0x01, 0x02, 0xc1, 0x02, 0xaa, 0x80, 0xb0]

    @Test func readsAndWritesKeysOfTensorFlow() throws {
        let key = SliceKey(name: Array("model/wte".utf8), slice: TensorSlice((258, 42), (0, 48)))
        #expect(key.encoded == Self.key)
        #expect(SliceKey(Self.key) == key)
        #expect(quoted(Self.key) == "'model/wte' slice 258,42:0,48")
    }

    @Test func keepsWholeDimensionsApartFromExplicitOnes() {
        let whole = SliceKey(name: [0x70], slice: TensorSlice(nil, (0, 1)))
        #expect(whole.encoded == [0x00, 0x70, 0x00, 0x01, 0x01, 0x02, 0x80, 0x7f, 0x80, 0x81])
        #expect(SliceKey(whole.encoded) == whole)
        #expect(whole != SliceKey(name: [0x70], slice: TensorSlice((0, 3), (0, 1))))
    }

    @Test(
        "refuses keys that are not the one way to write a slice",
        arguments: [
            ("no marker", [0x01]), ("only a marker", [0x00]),
            ("bytes after it", key + [0x80]), ("cut short", key.dropLast()),
            ("a rank with a leading zero", [0x00, 0x70, 0x00, 0x01, 0x02, 0x00, 0x01, 0x80, 0x81]),
            ("a start in two bytes", [0x00, 0x70, 0x00, 0x01, 0x01, 0x01, 0xc0, 0x00, 0x81]),
            ("a negative start", [0x00, 0x70, 0x00, 0x01, 0x01, 0x01, 0x7f, 0x81]),
            ("a length of -2", [0x00, 0x70, 0x00, 0x01, 0x01, 0x01, 0x80, 0x7e]),
            ("a whole dimension from 1 on", [0x00, 0x70, 0x00, 0x01, 0x01, 0x01, 0x81, 0x7f]),
            ("a rank of 2^63", [0x00, 0x70, 0x00, 0x01, 0x08, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ] as [(String, [UInt8])])
    func refusesOtherKeys(name: String, key: [UInt8]) {
        #expect(SliceKey(key) == nil, "\(name)")
    }
}
