import ByteIO
import Testing

@Suite struct ByteReaderTests {
    @Test func readsOneAfterTheOther() throws {
        var reader = ByteReader([1, 0x04, 0x03, 0x02, 0x01, 8, 7, 6, 5, 4, 3, 2, 0x81, 0xac, 0x02, 9, 9, 9], origin: 100)
        #expect(try reader.byte() == 1)
        #expect(try reader.uint32() == 0x0102_0304)
        #expect(try reader.uint64() == 0x8102_0304_0506_0708)
        #expect(reader.offset == 113)
        #expect(try reader.varint() == 300)
        #expect(try reader.run(count: 0).isEmpty)
        #expect(try Array(reader.run(count: 2)) == [9, 9])
        #expect(reader.remainingCount == 1)
        #expect(reader.offset == 117)
    }

    @Test func offsetsCountFromTheStartOfTheFile() throws {
        let bytes: [UInt8] = [0, 1, 2, 3, 4, 5]
        var reader = ByteReader(bytes[2..<5], origin: 1000)
        #expect(reader.offset == 1000)
        #expect(try reader.byte() == 2)
        #expect(throws: ByteReader.Failure(offset: 1001, "4 bytes are needed here, but 2 are left")) { try reader.uint32() }
        // A failed read consumes nothing.
        #expect(try Array(reader.run(count: 2)) == [3, 4])
        #expect(throws: ByteReader.Failure(offset: 1003, "1 byte is needed here, but none is left")) { try reader.byte() }
    }

    @Test("refuses runs that are not there", arguments: [-1, 4, Int.max, Int.min])
    func refusesRuns(count: Int) {
        var reader = ByteReader([1, 2, 3])
        #expect(throws: ByteReader.Failure(offset: 0, "\(count) bytes are needed here, but 3 are left")) { try reader.run(count: count) }
    }

    @Test(
        "reads varints",
        arguments: [
            ([0], 0), ([0x7f], 127), ([0x80, 0x01], 128), ([0x80, 0x00], 0), ([0xff, 0xff, 0xff, 0xff, 0x0f], 0xffff_ffff),
            ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], UInt64(Int64.max)),
            ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], UInt64.max),
            ([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 0),
        ] as [([UInt8], UInt64)])
    func readsVarints(bytes: [UInt8], expected: UInt64) throws {
        var reader = ByteReader(bytes + [0xee])
        #expect(try reader.varint() == expected)
        #expect(reader.remainingCount == 1)
    }

    @Test(
        "refuses varints of more than 64 bits",
        arguments: [
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
            [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x00],
        ] as [[UInt8]])
    func refusesLongVarints(bytes: [UInt8]) {
        var reader = ByteReader(bytes, origin: 5)
        #expect(throws: ByteReader.Failure(offset: 5, "a varint here is longer than 64 bits")) { try reader.varint() }
    }

    @Test func varintMustEnd() {
        for count in 0..<10 {
            var reader = ByteReader([UInt8](repeating: 0x80, count: count))
            #expect(throws: ByteReader.Failure(offset: count, "1 byte is needed here, but none is left")) { try reader.varint() }
        }
    }

    @Test func countsFitAnInt() throws {
        var reader = ByteReader([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])
        #expect(try reader.count() == .max)
        reader = ByteReader([0x00] + [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01])
        #expect(try reader.count() == 0)
        #expect(throws: ByteReader.Failure(offset: 1, "a count of 9223372036854775808 is out of range")) { try reader.count() }
    }

    @Test func failuresBecomeErrorsOfTheFile() {
        let failure = ByteReader.Failure(offset: 7, "a varint here is longer than 64 bits")
        #expect(
            failure.inFile("m.index", hint: "h") == FileError("m.index", at: "byte 7", "a varint here is longer than 64 bits", hint: "h"))
    }
}
