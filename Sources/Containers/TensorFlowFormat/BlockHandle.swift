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
        offset = try Self.shortestCount(&reader)
        byteCount = try Self.shortestCount(&reader)
    }

    /// A varint without needless bytes. No checksum covers the footer's handles, and in a longer form the padding after
    /// them could hide a changed bit.
    private static func shortestCount(_ reader: inout ByteReader) throws(ByteReader.Failure) -> Int {
        let start = reader.offset
        let count = try reader.count()
        let shortest = max(1, (Int.bitWidth - count.leadingZeroBitCount + 6) / 7)
        guard reader.offset - start == shortest else {
            throw ByteReader.Failure(
                offset: start, "the number \(count) takes \(reader.offset - start) bytes here, but needs \(shortest)")
        }
        return count
    }

    /// Where the next block begins; nil where that overflows.
    var end: Int? {
        let (contentsEnd, overflow) = offset.addingReportingOverflow(byteCount)
        let (end, trailerOverflow) = contentsEnd.addingReportingOverflow(Self.trailerByteCount)
        return overflow || trailerOverflow ? nil : end
    }
}
