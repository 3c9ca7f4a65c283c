import ByteIO

/// A LevelDB-style table: sorted keys with values, in blocks that carry checksums.
///
///     data block | data block ... | metaindex block | index block | footer, 48 bytes
///
/// The blocks follow one another without gaps, so that a checksum or a rule covers every byte of the file.
/// The index block has an entry per data block: a key not before the last of that block and before the first of the
/// next, and the block's handle as the value. The metaindex is empty: TensorFlow writes nothing there.
struct Table: Sendable {
    let file: InputFile
    private let limits: TableLimits
    private let footer: TableFooter
    private let index: TableBlock

    /// Checks footer, metaindex and the place of the index; data blocks are read by `entries()`.
    init(_ file: InputFile, limits: TableLimits = TableLimits()) throws(FileError) {
        guard file.byteCount >= TableFooter.byteCount else {
            throw FileError(
                file.path, "is \(file.byteCount) bytes long, but the footer of a table alone takes \(TableFooter.byteCount)",
                hint: Self.hint)
        }
        guard file.byteCount <= limits.fileByteCount else {
            throw FileError(
                file.path, "is \(file.byteCount) bytes long, but at most \(limits.fileByteCount) are read of an index")
        }
        let footerOffset = file.byteCount - TableFooter.byteCount
        let footerBytes = try file.bytes(atOffset: footerOffset, count: TableFooter.byteCount)
        do throws(ByteReader.Failure) {
            footer = try TableFooter(footerBytes, origin: footerOffset)
        } catch {
            throw error.inFile(file.path, hint: Self.hint)
        }
        self.file = file
        self.limits = limits
        try Self.requireEnd(footer.index, "index", at: footerOffset, path: file.path)
        try Self.requireEnd(footer.metaindex, "metaindex", at: footer.index.offset, path: file.path)
        index = try TableBlock(footer.index, of: file, end: footerOffset, limits: limits)
        let metaindex = try TableBlock(footer.metaindex, of: file, end: footerOffset, limits: limits)
        do throws(ByteReader.Failure) {
            var cursor = try BlockCursor(metaindex, limits: limits)
            if try cursor.next() != nil {
                throw ByteReader.Failure(offset: metaindex.firstOffset, "the metaindex has entries, but TensorFlow writes none")
            }
        } catch {
            throw metaindex.error(error)
        }
    }

    /// All entries in the order of their keys.
    func entries() throws(FileError) -> TableEntries {
        try TableEntries(file: file, index: index, dataEnd: footer.metaindex.offset, limits: limits)
    }

    private static let hint = "an index ends in a table footer: this file was cut short, or it is something else; fetch it again"

    private static func requireEnd(_ handle: BlockHandle, _ name: String, at end: Int, path: String) throws(FileError) {
        guard handle.end == end else {
            throw FileError(
                path, at: "byte \(handle.offset)",
                "the \(name) block of \(handle.byteCount) bytes and its trailer of 5 do not end at byte \(end)")
        }
    }
}
