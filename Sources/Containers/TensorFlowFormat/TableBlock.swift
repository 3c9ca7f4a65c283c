import ByteIO

/// One block of a table, checked against its checksum and decompressed.
///
///     contents | type, 1 byte | masked crc32c of contents and type, 4 bytes
///                0 raw, 1 snappy
struct TableBlock: Sendable {
    let contents: ArraySlice<UInt8>
    /// Where the contents begin in the file, or nil where they were decompressed and have no place in it.
    private let origin: Int?
    private let offset: Int
    private let path: String

    /// Reads the block at `handle`, which must end by `end`.
    init(_ handle: BlockHandle, of file: InputFile, end: Int, limits: TableLimits) throws(FileError) {
        guard let handleEnd = handle.end, handleEnd <= end else {
            throw FileError(
                file.path, at: "byte \(handle.offset)",
                "a block of \(handle.byteCount) bytes and its trailer of 5 begin here, but the blocks end at byte \(end)")
        }
        let bytes = try file.bytes(atOffset: handle.offset, count: handle.byteCount + BlockHandle.trailerByteCount)
        let contents = bytes[..<handle.byteCount]
        let type = bytes[handle.byteCount]
        let stored = bytes.suffix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let computed = bytes.withUnsafeBytes { CRC32C(of: .init(rebasing: $0[...handle.byteCount])).masked }
        guard stored == computed else {
            throw FileError(
                file.path, at: "byte \(handle.offset)",
                "the checksum of this block of \(handle.byteCount) bytes is \(CRC32C(value: stored)), "
                    + "but its bytes give \(CRC32C(value: computed))",
                hint: "the index is damaged; fetch it again")
        }
        path = file.path
        offset = handle.offset
        switch type {
        case 0:
            self.contents = contents
            origin = handle.offset
        case 1:
            do throws(ByteReader.Failure) {
                self.contents = try Snappy.decompress(
                    contents, origin: handle.offset, limit: limits.decompressedByteCount)[...]
            } catch {
                throw error.inFile(file.path)
            }
            origin = nil
        default:
            throw FileError(
                file.path, at: "byte \(handle.offset)",
                "this block is compressed in a way of number \(type), but only 0 (raw) and 1 (snappy) are known")
        }
    }

    /// Offsets that failures count in: of the file, or of the decompressed contents.
    var firstOffset: Int { origin ?? 0 }

    /// A failure to read the contents as an error of the file, `subject` naming what was read.
    func error(_ failure: ByteReader.Failure, subject: String? = nil) -> FileError {
        let place =
            origin != nil ? "byte \(failure.offset)" : "byte \(failure.offset) of the decompressed block at byte \(offset)"
        return FileError(path, at: subject.map { "\($0), \(place)" } ?? place, failure.message)
    }
}
