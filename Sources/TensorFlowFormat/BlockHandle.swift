import ByteIO

/// Where a block lies in a table file.
///
///     varint offset | varint byte count
///
/// The byte count is that of the contents; a trailer of five bytes follows them.
struct BlockHandle: Hashable, Sendable {
    /// Type byte and checksum.
    static let trailerByteCount = 5

    let offset: Int
    let byteCount: Int

    init(reading reader: inout ByteReader) throws(ByteReader.Failure) {
        offset = try reader.count()
        byteCount = try reader.count()
    }

    /// Where the next block begins; nil where that overflows.
    var end: Int? {
        let (contentsEnd, overflow) = offset.addingReportingOverflow(byteCount)
        let (end, trailerOverflow) = contentsEnd.addingReportingOverflow(Self.trailerByteCount)
        return overflow || trailerOverflow ? nil : end
    }
}
