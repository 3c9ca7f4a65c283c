/// A cursor over bytes that came from a file: little-endian integers, varints and runs, every step checked.
///
/// Offsets in failures count from `origin`, so that a reader over a part of a file still names the place in the file.
package struct ByteReader: Sendable {
    /// A read that the bytes do not allow.
    package struct Failure: Error, Hashable, Sendable {
        /// Where the read began, from the start of the file.
        package let offset: Int
        package let message: String

        package init(offset: Int, _ message: String) {
            self.offset = offset
            self.message = message
        }

        /// The same failure as an error of the file that was read.
        package func inFile(_ path: String, hint: String? = nil) -> FileError {
            FileError(path, at: "byte \(offset)", message, hint: hint)
        }
    }

    private let bytes: ArraySlice<UInt8>
    private var position: Int
    private let origin: Int

    package init(_ bytes: ArraySlice<UInt8>, origin: Int = 0) {
        self.bytes = bytes
        self.origin = origin
        position = bytes.startIndex
    }

    package init(_ bytes: [UInt8], origin: Int = 0) {
        self.init(bytes[...], origin: origin)
    }

    /// Bytes not read yet.
    package var remainingCount: Int { bytes.endIndex - position }

    /// Offset of the next byte, from the start of the file.
    package var offset: Int { origin + position - bytes.startIndex }

    package mutating func byte() throws(Failure) -> UInt8 {
        guard position < bytes.endIndex else { throw Failure(offset: offset, "1 byte is needed here, but none is left") }
        defer { position += 1 }
        return bytes[position]
    }

    /// The next `count` bytes, without copying.
    package mutating func run(count: Int) throws(Failure) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remainingCount else {
            throw Failure(offset: offset, "\(count) bytes are needed here, but \(remainingCount) are left")
        }
        defer { position += count }
        return bytes[position..<position + count]
    }

    package mutating func uint32() throws(Failure) -> UInt32 {
        try run(count: 4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    package mutating func uint64() throws(Failure) -> UInt64 {
        try run(count: 8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// A base-128 varint of at most 64 bits: seven bits a byte, lowest first, the high bit says that more follow.
    package mutating func varint() throws(Failure) -> UInt64 {
        let start = offset
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            let next = try byte()
            guard shift < 63 || next <= 1 else { break }
            value |= UInt64(next & 0x7f) << shift
            if next & 0x80 == 0 { return value }
        }
        throw Failure(offset: start, "a varint here is longer than 64 bits")
    }

    /// A varint that counts bytes or elements: refused where it does not fit an `Int`.
    package mutating func count() throws(Failure) -> Int {
        let start = offset
        let value = try varint()
        guard let count = Int(exactly: value) else { throw Failure(offset: start, "a count of \(value) is out of range") }
        return count
    }
}
