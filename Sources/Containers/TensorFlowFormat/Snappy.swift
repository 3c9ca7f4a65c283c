import ByteIO

/// The block form of snappy, reading only.
///
///     varint count of bytes | element | element ...
///
///     xxxxxx00                 literal of x + 1 bytes, which follow          x < 60
///     xxxxxx00 + 1..4 bytes    literal whose count - 1 is in those bytes     x = 60..63
///     dddxxx01 d               copy of x + 4 bytes from distance ddd:d       11 bits
///     xxxxxx10 d d             copy of x + 1 bytes, distance little-endian   16 bits
///     xxxxxx11 d d d d         copy of x + 1 bytes, distance little-endian   32 bits
///
/// A copy may reach into the bytes it is making: distance 1 repeats one byte.
enum Snappy {
    /// No element makes more than 64 bytes out of 3, or 11 out of 2: what a block cannot hold is not reserved.
    static let largestRatio = 22

    /// The bytes of a block; refused before anything is reserved where it declares more than `limit`.
    static func decompress(
        _ block: ArraySlice<UInt8>, origin: Int, limit: Int
    ) throws(ByteReader.Failure) -> [UInt8] {
        var reader = ByteReader(block, origin: origin)
        let byteCount = try reader.count()
        guard byteCount <= limit, byteCount / largestRatio <= block.count else {
            throw ByteReader.Failure(
                offset: origin,
                "a snappy block of \(block.count) bytes declares \(byteCount) bytes; "
                    + "at most \(min(limit, largestRatio * block.count)) are believed")
        }
        var output: [UInt8] = []
        output.reserveCapacity(byteCount)
        while reader.remainingCount > 0 {
            let start = reader.offset
            let tag = try reader.byte()
            let room = byteCount - output.count
            if tag & 3 == 0 {
                let count = try literalByteCount(tag, &reader)
                guard count <= room else { throw overrun(at: start, count, room: room) }
                output += try reader.run(count: count)
            } else {
                let (distance, count) = try copy(tag, &reader)
                guard distance > 0, distance <= output.count else {
                    throw ByteReader.Failure(
                        offset: start, "a snappy copy reaches back \(distance) bytes, but \(output.count) are there")
                }
                guard count <= room else { throw overrun(at: start, count, room: room) }
                // One byte at a time: the copy may read what it has just written.
                for _ in 0..<count { output.append(output[output.count - distance]) }
            }
        }
        guard output.count == byteCount else {
            throw ByteReader.Failure(
                offset: reader.offset, "a snappy block declares \(byteCount) bytes, but holds \(output.count)")
        }
        return output
    }

    private static func literalByteCount(_ tag: UInt8, _ reader: inout ByteReader) throws(ByteReader.Failure) -> Int {
        let code = Int(tag >> 2)
        return code < 60 ? code + 1 : try littleEndian(byteCount: code - 59, &reader) + 1
    }

    private static func copy(
        _ tag: UInt8, _ reader: inout ByteReader
    ) throws(ByteReader.Failure) -> (distance: Int, byteCount: Int) {
        switch tag & 3 {
        case 1: (Int(tag >> 5) << 8 | Int(try reader.byte()), Int(tag >> 2 & 7) + 4)
        case 2: (try littleEndian(byteCount: 2, &reader), Int(tag >> 2) + 1)
        default: (try littleEndian(byteCount: 4, &reader), Int(tag >> 2) + 1)
        }
    }

    private static func littleEndian(byteCount: Int, _ reader: inout ByteReader) throws(ByteReader.Failure) -> Int {
        try reader.run(count: byteCount).reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    private static func overrun(at offset: Int, _ count: Int, room: Int) -> ByteReader.Failure {
        ByteReader.Failure(offset: offset, "a snappy element makes \(count) bytes, but only \(room) are declared to follow")
    }
}
