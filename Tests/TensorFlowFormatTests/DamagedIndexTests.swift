import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import TensorFlowFormat

/// Indexes that lost or changed bytes: refused with a `FileError`, whatever the byte.
@Suite struct DamagedIndexTests {
    /// Opens `index` in place of a bundle's own; nil where it is refused.
    private static func open(_ index: [UInt8], in folder: TemporaryFolder) throws -> TensorBundle? {
        try folder.write(index, to: "m.index")
        // Typed: a `FileError` is all that opening can throw.
        do throws(FileError) {
            return try TensorBundle.open(prefix: folder.path("m"))
        } catch {
            return nil
        }
    }

    private static func folder(of fixture: BundleFixture) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try folder.write(fixture.bytes(".data-00000-of-00001"), to: "m.data-00000-of-00001")
        return folder
    }

    @Test("refuses an index cut short anywhere", arguments: ["grid", "f16", "types"])
    func refusesEveryTruncation(name: String) throws {
        let fixture = BundleFixture.named(name)
        let folder = try Self.folder(of: fixture)
        let index = try fixture.bytes(".index")
        #expect(try Self.open(index, in: folder) != nil)
        for count in 0..<index.count {
            #expect(try Self.open(Array(index[..<count]), in: folder) == nil, "cut at \(count)")
            #expect(try Self.open(Array(index[(count + 1)...]), in: folder) == nil, "\(count + 1) bytes missing in front")
        }
    }

    /// Blocks have checksums, handles must meet, padding must be zero: no byte is outside of every rule.
    @Test("refuses an index with any byte changed", arguments: ["grid", "f16"])
    func refusesEveryFlip(name: String) throws {
        let fixture = BundleFixture.named(name)
        let folder = try Self.folder(of: fixture)
        var index = try fixture.bytes(".index")
        for offset in index.indices {
            for flip: UInt8 in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
                index[offset] ^= flip
                #expect(try Self.open(index, in: folder) == nil, "byte \(offset) with \(flip) flipped")
                index[offset] ^= flip
            }
        }
    }

    @Test func refusesEveryByteTakenOutOrDoubled() throws {
        let fixture = BundleFixture.named("f16")
        let folder = try Self.folder(of: fixture)
        let index = try fixture.bytes(".index")
        for offset in index.indices {
            #expect(try Self.open(Array(index[..<offset] + index[(offset + 1)...]), in: folder) == nil, "without byte \(offset)")
            #expect(try Self.open(Array(index[...offset] + index[offset...]), in: folder) == nil, "byte \(offset) twice")
        }
    }

    /// What checksums cannot catch: a writer that means it. Every byte of the contents takes other values under a checksum
    /// that fits, raw and compressed. The bundle is refused, or its tensors lie within its files and can be read.
    @Test(
        "survives any lie under a sound checksum",
        arguments: [("grid", TableWriter.Compression.raw), ("grid", .snappy), ("types", .raw)])
    func survivesEveryLie(name: String, compression: TableWriter.Compression) throws {
        let fixture = BundleFixture.named(name)
        let folder = try Self.folder(of: fixture)
        let contents = try Self.dataBlock(of: fixture)
        let writer = TableWriter(compression: compression)
        let stored = compression == .raw ? contents : SnappyWriter.compress(contents)
        var refusedCount = 0
        for offset in stored.indices {
            for value in [0x00, 0xff, stored[offset] &+ 1, stored[offset] ^ 0x80] where value != stored[offset] {
                var lie = stored
                lie[offset] = value
                let sealed = TableWriter.seal(lie, type: compression == .raw ? 0 : 1)
                let index = TableWriter.file(
                    blocks: [([0xff], sealed)], metaindex: writer.seal(writer.contents([])), seal: writer.seal)
                guard let bundle = try Self.open(index, in: folder) else {
                    refusedCount += 1
                    continue
                }
                for index in bundle.tensors.indices { _ = try bundle.bytes(ofTensor: index) }
            }
        }
        // Most lies break a rule; those that do not change a name, a checksum, or a field nobody reads.
        #expect(refusedCount > stored.count)
    }

    /// The contents of a fixture's only data block.
    private static func dataBlock(of fixture: BundleFixture) throws -> [UInt8] {
        let file = try InputFile(path: fixture.prefixPath + ".index")
        let footer = try TableFooter(file.bytes(atOffset: file.byteCount - 48, count: 48), origin: 0)
        return try file.bytes(atOffset: 0, count: footer.metaindex.offset - 5)
    }
}
