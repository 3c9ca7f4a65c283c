import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import TensorFlowFormat

@Suite struct TableTests {
    private static func entries(of bytes: [UInt8], limits: TableLimits = TableLimits()) throws -> [TableWriter.Entry] {
        let folder = try TemporaryFolder()
        try folder.write(bytes, to: "t.index")
        var entries = try Table(InputFile(path: folder.path("t.index")), limits: limits).entries()
        var result: [TableWriter.Entry] = []
        while let entry = try entries.next() {
            result.append(TableWriter.Entry(key: entry.key, value: Array(entry.value)))
        }
        return result
    }

    private static var manyEntries: [TableWriter.Entry] {
        (0..<1000).map { number in
            let name = "layer_\(1000 + number / 7)/unit_\(1000 + number)"
            return TableWriter.Entry(key: Array(name.utf8), value: [UInt8](repeating: UInt8(number & 0xff), count: number % 50))
        }
    }

    @Test(
        "reads tables of many blocks", arguments: [1, 64, 1000, 1 << 20], [TableWriter.Compression.raw, .snappy])
    func readsManyBlocks(blockByteCount: Int, compression: TableWriter.Compression) throws {
        let expected = Self.manyEntries
        for restartInterval in [1, 2, 16, 5000] {
            let writer = TableWriter(
                restartInterval: restartInterval, blockByteCount: blockByteCount, compression: compression)
            let read = try Self.entries(of: writer.table(expected))
            #expect(read.map(\.key) == expected.map(\.key))
            #expect(read.map(\.value) == expected.map(\.value))
        }
    }

    @Test func ordersKeysByBytesNotByText() throws {
        // 0xff sorts last as a byte; as text it would be replaced. "Z" < "a" < "é" (c3 a9).
        let keys: [[UInt8]] = [
            [], [0x00], [0x00, 0x00], Array("Z".utf8), Array("a".utf8), Array("é".utf8), [0xff], [0xff, 0x00],
        ]
        let read = try Self.entries(of: TableWriter().table(keys.map { TableWriter.Entry(key: $0, value: []) }))
        #expect(read.map(\.key) == keys)
    }

    @Test func acceptsShortSeparators() throws {
        // TensorFlow writes the shortest key between two blocks, not the last key of the first.
        let first = TableWriter.seal(TableWriter().contents([TableWriter.Entry(key: [1, 2, 3], value: [1])]), type: 0)
        let second = TableWriter.seal(TableWriter().contents([TableWriter.Entry(key: [5], value: [2])]), type: 0)
        let file = TableWriter.file(
            blocks: [([2], first), ([6], second)], metaindex: TableWriter.seal(TableWriter().contents([]), type: 0),
            seal: { TableWriter.seal($0, type: 0) })
        #expect(try Self.entries(of: file).map(\.key) == [[1, 2, 3], [5]])
    }

    /// Each limit holds what fits it, and refuses one more.
    @Test(
        "keeps to its limits",
        arguments: [
            (TableLimits(entryCount: 1000), "more than 999 entries are in this index", TableLimits(entryCount: 999)),
            (TableLimits(keyByteCount: 20), "a key of 20 bytes is longer than 19", TableLimits(keyByteCount: 19)),
            (
                TableLimits(allKeysByteCount: 20_000), "the names in this index take more than 19999 bytes",
                TableLimits(allKeysByteCount: 19_999)
            ),
        ])
    func keepsToLimits(enough: TableLimits, message: String, tooLittle: TableLimits) throws {
        let bytes = TableWriter().table(Self.manyEntries)
        #expect(try Self.entries(of: bytes, limits: enough).count == 1000)
        let error = #expect(throws: FileError.self) { try Self.entries(of: bytes, limits: tooLittle) }
        #expect(try #require(error).message == message)
    }

    /// An index of two data blocks, written by TensorFlow: 2200 uint8 scalars named after their number.
    @Test func readsTwoBlocksOfTensorFlow() throws {
        let bundle = try BundleFixture.named("blocks").open()
        #expect(bundle.tensors.count == 2200)
        for (index, tensor) in bundle.tensors.enumerated() {
            let number = try #require(Int(tensor.name.suffix(4)))
            #expect(try bundle.bytes(ofTensor: index) == [UInt8(number % 251)], "\(tensor.name)")
        }
        try bundle.verifyAll()
    }

    @Test func readsBundlesWithSnappyIndexes() throws {
        var image = BundleImage.small
        image.writer.compression = .snappy
        let folder = try TemporaryFolder()
        try image.write(to: folder)
        let bundle = try TensorBundle.open(path: folder.path)
        #expect(bundle.tensors.map(\.name) == ["a", "b"])
        try bundle.verifyAll()
    }
}
