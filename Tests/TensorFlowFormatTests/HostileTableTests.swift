import ByteIO
import TestSupport
import Testing

@testable import TensorFlowFormat

/// Bytes of an index with one thing wrong, and the whole message that says so.
struct HostileTable: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let message: String
    let bytes: @Sendable () -> [UInt8]

    init(_ name: String, _ message: String, _ bytes: @escaping @Sendable () -> [UInt8]) {
        testDescription = name
        self.message = message
        self.bytes = bytes
    }
}

@Suite struct HostileTableTests {
    @Test("refuses", arguments: blocks + structure + compressed)
    func refuses(table: HostileTable) throws {
        let folder = try TemporaryFolder()
        try BundleImage.small.write(to: folder)
        try folder.write(table.bytes(), to: "m.index")
        let error = #expect(throws: FileError.self) { try TensorBundle.open(prefix: folder.path("m")) }
        #expect(try folder.report(#require(error)) == table.message)
    }

    /// The index of `BundleImage.small`, whose data block has these contents instead.
    private static func index(_ contents: [UInt8], separator: String = "z") -> [UInt8] {
        file([(separator, TableWriter.seal(contents, type: 0))])
    }

    private static func file(_ blocks: [(separator: String, sealed: [UInt8])]) -> [UInt8] {
        TableWriter.file(
            blocks: blocks.map { (Array($0.separator.utf8), $0.sealed) },
            metaindex: TableWriter.seal(TableWriter().contents([]), type: 0), seal: { TableWriter.seal($0, type: 0) })
    }

    private static var header: [UInt8] { TableWriter.entry(shared: 0, unshared: [], value: BundleImage.small.header) }

    /// A block of the header and an entry for this key, without a value that matters.
    private static func block(_ keys: String...) -> [UInt8] {
        TableWriter.seal(
            TableWriter().contents(
                keys.map { TableWriter.Entry(key: Array($0.utf8), value: $0.isEmpty ? BundleImage.small.header : [0x08, 0x01]) }),
            type: 0)
    }

    private static var smallBlock: [UInt8] { block("", "a") }

    static let blocks: [HostileTable] = [
        HostileTable(
            "a block too short for a restart count", "m.index: byte 0: a block of 2 bytes has no room for its restart count"
        ) { index([1, 2]) },
        HostileTable("a block without restarts", "m.index: byte 9: a block of 13 bytes cannot have 0 restarts") {
            index(header + TableWriter.tail(restarts: []))
        },
        HostileTable("more restarts than the block has room for", "m.index: byte 9: a block of 13 bytes cannot have 4 restarts") {
            index(header + Wire.littleEndian(UInt32(4)))
        },
        HostileTable("2^32 - 1 restarts", "m.index: byte 9: a block of 13 bytes cannot have 4294967295 restarts") {
            index(header + [0xff, 0xff, 0xff, 0xff])
        },
        HostileTable("a first restart that is not at 0", "m.index: byte 9: the first restart is at 1, not at 0") {
            index(header + TableWriter.tail(restarts: [1]))
        },
        HostileTable("restarts that do not increase", "m.index: byte 13: the restart at 0 does not follow the one at 0") {
            index(header + TableWriter.tail(restarts: [0, 0]))
        },
        HostileTable("a restart past the entries", "m.index: byte 9: the restart at 9 is not where an entry begins") {
            index(header + TableWriter.tail(restarts: [0, 9]))
        },
        HostileTable("a restart between entries", "m.index: byte 15: the restart at 10 is not where an entry begins") {
            index(
                header + TableWriter.entry(shared: 0, unshared: [0x61], value: [8, 1])
                    + TableWriter.entry(shared: 0, unshared: [0x62], value: [8, 1]) + TableWriter.tail(restarts: [0, 10]))
        },
        HostileTable(
            "a restart whose key shares bytes", "m.index: byte 15: a key at a restart shares 1 bytes with the key before it"
        ) {
            index(
                header + TableWriter.entry(shared: 0, unshared: [0x61], value: [8, 1])
                    + TableWriter.entry(shared: 1, unshared: [0x61], value: [8, 1]) + TableWriter.tail(restarts: [0, 15]))
        },
        HostileTable(
            "a key that shares more than there is", "m.index: byte 9: a key shares 1 bytes with the key before it, which has 0"
        ) {
            index(header + TableWriter.entry(shared: 1, unshared: [0x61], value: []) + TableWriter.tail(restarts: [0]))
        },
        HostileTable("a key of 2^60 bytes", "m.index: byte 20: 1152921504606846976 bytes are needed here, but 1 are left") {
            index(header + [0x00] + Wire.varint(1 << 60) + [0x00, 0x61] + TableWriter.tail(restarts: [0]))
        },
        HostileTable("a value of 2^64 - 1 bytes", "m.index: byte 11: a count of 18446744073709551615 is out of range") {
            index(header + [0x00, 0x01] + Wire.varint(.max) + [0x61] + TableWriter.tail(restarts: [0]))
        },
        HostileTable("a value longer than the block", "m.index: byte 13: 5 bytes are needed here, but 0 are left") {
            index(header + [0x00, 0x01, 0x05, 0x61] + TableWriter.tail(restarts: [0]))
        },
        HostileTable("a key longer than a key may be", "m.index: byte 9: a key of 65537 bytes is longer than 65536") {
            index(
                header + TableWriter.entry(shared: 0, unshared: [UInt8](repeating: 0x61, count: 65537), value: [8, 1])
                    + TableWriter.tail(restarts: [0]), separator: "z")
        },
        HostileTable("keys that decrease", "m.index: byte 19: the key 'a' follows 'b', but keys must increase") {
            file([("z", block("", "b", "a"))])
        },
        HostileTable("a key twice", "m.index: byte 18: the key 'b' appears twice") { file([("z", block("", "b", "b"))]) },
        HostileTable("a key twice in two blocks", "m.index: byte 32: the key 'b' appears twice") {
            file([("b", block("", "b")), ("z", block("b"))])
        },
        HostileTable(
            "a checksum of a block that is wrong",
            """
            m.index: byte 0: the checksum of this block of 23 bytes is 8b9726cc, but its bytes give 8a9726cc
            hint: the index is damaged; fetch it again
            """
        ) {
            var bytes = block("", "a")
            bytes[bytes.count - 1] ^= 1
            return file([("z", bytes)])
        },
        HostileTable(
            "a kind of compression not known",
            """
            m.index: byte 0: this block is compressed in a way of number 4, but only 0 (raw) and 1 (snappy) \
            are known
            """
        ) { file([("z", TableWriter.seal([1, 2, 3, 4], type: 4))]) },
    ]

    static let structure: [HostileTable] = [
        HostileTable(
            "no bytes",
            """
            m.index: is 0 bytes long, but the footer of a table alone takes 48
            hint: an index ends in a table footer: this file was cut short, or it is something else; fetch \
            it again
            """
        ) { [] },
        HostileTable(
            "47 bytes",
            """
            m.index: is 47 bytes long, but the footer of a table alone takes 48
            hint: an index ends in a table footer: this file was cut short, or it is something else; fetch \
            it again
            """
        ) { [UInt8](repeating: 0, count: 47) },
        HostileTable(
            "a page instead of an index",
            """
            m.index: byte 107: the file does not end in the magic of a table
            hint: an index ends in a table footer: this file was cut short, or it is something else; fetch \
            it again
            """
        ) { Array("<!DOCTYPE html>".utf8) + [UInt8](repeating: 0x20, count: 100) },
        HostileTable(
            "a footer and nothing else", "m.index: byte 0: the index block of 0 bytes and its trailer of 5 do not end at byte 0"
        ) { [UInt8](repeating: 0, count: 40) + TableWriter.magic },
        HostileTable(
            "padding that is not zero",
            """
            m.index: byte 102: the footer's padding is not zero
            hint: an index ends in a table footer: this file was cut short, or it is something else; fetch \
            it again
            """
        ) {
            var bytes = BundleImage.small.index
            bytes[bytes.count - 9] = 1
            return bytes
        },
        HostileTable(
            "handles that leave no room",
            """
            m.index: byte 0: a varint here is longer than 64 bits
            hint: an index ends in a table footer: this file was cut short, or it is something else; fetch \
            it again
            """
        ) {
            [UInt8](repeating: 0xff, count: 40) + TableWriter.magic
        },
        HostileTable(
            "an index block that reaches into the footer",
            "m.index: byte 169: the index block of 40 bytes and its trailer of 5 do not end at byte 98"
        ) { withFooter((148, 16), (169, 40)) },
        HostileTable(
            "an index block of 2^62 bytes",
            """
            m.index: byte 4611686018427387904: the index block of 4611686018427387904 bytes and its trailer \
            of 5 do not end at byte 98
            """
        ) { withFooter((148, 16), (1 << 62, 1 << 62)) },
        HostileTable(
            "an index block of 2^63 - 1 bytes",
            """
            m.index: byte 9223372036854775807: the index block of 9223372036854775807 bytes and its trailer \
            of 5 do not end at byte 98
            """
        ) { withFooter((148, 16), (Int.max, Int.max)) },
        HostileTable(
            "a metaindex that is not before the index",
            "m.index: byte 0: the metaindex block of 8 bytes and its trailer of 5 do not end at byte 79"
        ) { withFooter((0, 8), (79, 14)) },
        HostileTable("a metaindex of two restarts", "m.index: byte 28: the restart at 4 is not where an entry begins") {
            TableWriter.file(
                blocks: [([0x7a], block("", "a"))], metaindex: TableWriter.seal(TableWriter.tail(restarts: [0, 4]), type: 0),
                seal: { TableWriter.seal($0, type: 0) })
        },
        HostileTable("a metaindex with an entry", "m.index: byte 28: the metaindex has entries, but TensorFlow writes none") {
            TableWriter.file(
                blocks: [([0x7a], block("", "a"))],
                metaindex: TableWriter.seal(TableWriter().contents([TableWriter.Entry(key: [0x66], value: [0, 0])]), type: 0),
                seal: { TableWriter.seal($0, type: 0) })
        },
        HostileTable("bytes between blocks", "m.index: byte 44: the data blocks end at byte 28, but the metaindex begins at 31") {
            withIndex([(0x7a, TableWriter.handle(0, smallBlock.count - 5))], data: smallBlock + [1, 2, 3])
        },
        HostileTable("a block named twice", "m.index: byte 51: a data block begins at byte 0, but the one before it ends at 28") {
            withIndex(
                [(0x61, TableWriter.handle(0, smallBlock.count - 5)), (0x7a, TableWriter.handle(0, smallBlock.count - 5))],
                data: smallBlock)
        },
        HostileTable(
            "a block outside the file",
            """
            m.index: byte 0: a block of 1099511627776 bytes and its trailer of 5 begin here, but the blocks \
            end at byte 28
            """
        ) { withIndex([(0x7a, TableWriter.handle(0, 1 << 40))], data: smallBlock) },
        HostileTable("bytes after a handle", "m.index: byte 47: 1 bytes follow a block's handle") {
            withIndex([(0x7a, TableWriter.handle(0, smallBlock.count - 5) + [0])], data: smallBlock)
        },
        HostileTable("half a handle", "m.index: byte 46: 1 byte is needed here, but none is left") {
            withIndex([(0x7a, [0x00])], data: smallBlock)
        },
        HostileTable("a handle longer than 64 bits", "m.index: byte 45: a varint here is longer than 64 bits") {
            withIndex([(0x7a, [UInt8](repeating: 0xff, count: 11))], data: smallBlock)
        },
        HostileTable("a data block without entries", "m.index: byte 28: a data block holds no entries") {
            file([("a", block("", "a")), ("z", block())])
        },
        HostileTable(
            "no data blocks",
            """
            m.index: is a table, but no TensorFlow index: its first key is not the empty one of a bundle's \
            header
            """
        ) { file([]) },
        HostileTable(
            "a key past its block's separator", "m.index: byte 19: the key 'b' lies past 'a', where the index ends its block"
        ) { file([("a", block("", "a", "b")), ("z", block("c"))]) },
        HostileTable(
            "a key before the separator of the block before",
            "m.index: byte 32: the key 'b' does not lie past 'm', where the index ends the block before it"
        ) { file([("m", block("", "a")), ("z", block("b"))]) },
        HostileTable(
            "a table of something else",
            """
            m.index: is a table, but no TensorFlow index: its first key is not the empty one of a bundle's \
            header
            """
        ) { file([("z", block("a", "b"))]) },
    ]

    private static func withFooter(_ metaindex: (Int, Int), _ index: (Int, Int)) -> [UInt8] {
        let footer = TableWriter.handle(metaindex.0, metaindex.1) + TableWriter.handle(index.0, index.1)
        let blocks: [UInt8] = BundleImage.small.index.dropLast(48)
        return blocks + footer + [UInt8](repeating: 0, count: 40 - footer.count) + TableWriter.magic
    }

    /// A file of one sealed block, whose index block has these entries.
    private static func withIndex(_ entries: [(key: UInt8, value: [UInt8])], data: [UInt8]) -> [UInt8] {
        let metaindex = TableWriter.seal(TableWriter().contents([]), type: 0)
        let contents = TableWriter(restartInterval: 1).contents(entries.map { TableWriter.Entry(key: [$0.key], value: $0.value) })
        let index = TableWriter.seal(contents, type: 0)
        var footer = TableWriter.handle(data.count, metaindex.count - 5)
        footer += TableWriter.handle(data.count + metaindex.count, contents.count)
        footer += [UInt8](repeating: 0, count: 40 - footer.count)
        return data + metaindex + index + footer + TableWriter.magic
    }

    static let compressed: [HostileTable] = [
        HostileTable("a snappy block that is empty", "m.index: byte 0: 1 byte is needed here, but none is left") { snappy([]) },
        HostileTable(
            "a snappy bomb", "m.index: byte 0: a snappy block of 8 bytes declares 1099511627776 bytes; at most 176 are believed"
        ) { snappy(Wire.varint(1 << 40) + [0x00, 0x61]) },
        HostileTable(
            "a snappy block of more than it can hold",
            "m.index: byte 0: a snappy block of 4 bytes declares 1000 bytes; at most 88 are believed"
        ) { snappy(Wire.varint(1000) + [0x00, 0x61]) },
        HostileTable(
            "a snappy block past the limit",
            """
            m.index: byte 0: a snappy block of 4194308 bytes declares 68157440 bytes; at most 67108864 are \
            believed
            """
        ) {
            snappy(Wire.varint(65 << 20) + [UInt8](repeating: 0, count: 4 << 20))
        },
        HostileTable("a snappy block that ends early", "m.index: byte 3: a snappy block declares 8 bytes, but holds 1") {
            snappy([0x08, 0x00, 0x61])
        },
        HostileTable(
            "a snappy literal past the declared end",
            "m.index: byte 1: a snappy element makes 3 bytes, but only 2 are declared to follow"
        ) { snappy([0x02, 0x08, 0x61, 0x61, 0x61]) },
        HostileTable("a snappy literal past the block", "m.index: byte 2: 5 bytes are needed here, but 1 are left") {
            snappy([0x05, 0x10, 0x61])
        },
        HostileTable(
            "a snappy literal of 2^32 bytes",
            "m.index: byte 1: a snappy element makes 4294967296 bytes, but only 5 are declared to follow"
        ) { snappy([0x05, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x61]) },
        HostileTable(
            "a snappy copy past the declared end",
            "m.index: byte 3: a snappy element makes 4 bytes, but only 2 are declared to follow"
        ) { snappy([0x03, 0x00, 0x61, 0x01, 0x01]) },
        HostileTable(
            "a snappy copy from before the start", "m.index: byte 3: a snappy copy reaches back 2 bytes, but 1 are there"
        ) { snappy([0x09, 0x00, 0x61, 0x01, 0x02]) },
        HostileTable("a snappy copy from distance 0", "m.index: byte 3: a snappy copy reaches back 0 bytes, but 1 are there") {
            snappy([0x09, 0x00, 0x61, 0x02, 0x00, 0x00])
        },
        HostileTable(
            "a snappy copy from distance 2^32 - 1",
            "m.index: byte 3: a snappy copy reaches back 4294967295 bytes, but 1 are there"
        ) { snappy([0x09, 0x00, 0x61, 0x03, 0xff, 0xff, 0xff, 0xff]) },
        HostileTable("a snappy copy that is cut short", "m.index: byte 4: 4 bytes are needed here, but 1 are left") {
            snappy([0x09, 0x00, 0x61, 0x03, 0xff])
        },
        HostileTable(
            "a decompressed block that is wrong",
            "m.index: byte 9 of the decompressed block at byte 0: a block of 13 bytes cannot have 0 restarts"
        ) {
            file([("z", TableWriter.seal(SnappyWriter.compress(header + TableWriter.tail(restarts: [])), type: 1))])
        },
        HostileTable(
            "a decompressed entry that is wrong",
            """
            m.index: tensor 'a', byte 14 of the decompressed block at byte 0: 1 byte is needed here, but \
            none is left
            """
        ) {
            let bad = TableWriter.Entry(key: [0x61], value: [0x08])
            let contents = TableWriter().contents([TableWriter.Entry(key: [], value: BundleImage.small.header), bad])
            return file([("z", TableWriter.seal(SnappyWriter.compress(contents), type: 1))])
        },
    ]

    private static func snappy(_ block: [UInt8]) -> [UInt8] {
        file([("z", TableWriter.seal(block, type: 1))])
    }
}
