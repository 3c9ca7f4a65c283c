import ByteIO

/// The last 48 bytes of a table file.
///
///     metaindex handle | index handle | zeros up to byte 40 | magic, 8 bytes
///     varint varint      varint varint                        57 fb 80 8b 24 75 47 db
///
/// LevelDB's tables, TensorFlow's V1 checkpoints and the indexes of its V2 bundles all end like this.
struct TableFooter: Hashable, Sendable {
    static let byteCount = 48
    static let magic: UInt64 = 0xdb47_7524_8b80_fb57

    let metaindex: BlockHandle
    let index: BlockHandle

    /// Whether the last eight of these bytes are a table's magic.
    static func hasMagic(_ footer: ArraySlice<UInt8>) -> Bool {
        footer.count >= byteCount && endsInMagic(footer)
    }

    static func endsInMagic(_ bytes: some BidirectionalCollection<UInt8>) -> Bool {
        var reader = ByteReader(bytes.suffix(8))
        return (try? reader.uint64()) == magic
    }

    /// From the last `byteCount` bytes of a file, the first of which lies at `origin`.
    init(_ bytes: [UInt8], origin: Int) throws(ByteReader.Failure) {
        guard Self.hasMagic(bytes[...]) else {
            throw ByteReader.Failure(offset: origin + 40, "the file does not end in the magic of a table")
        }
        var reader = ByteReader(bytes.prefix(40), origin: origin)
        metaindex = try BlockHandle(reading: &reader)
        index = try BlockHandle(reading: &reader)
        let padding = reader.offset
        // No checksum covers the footer: zeros where zeros belong are the one sign that it is whole.
        guard try reader.run(count: reader.remainingCount).allSatisfy({ $0 == 0 }) else {
            throw ByteReader.Failure(offset: padding, "the footer's padding is not zero")
        }
    }
}
