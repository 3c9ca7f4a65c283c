import ByteIO

/// Reads the entries of a table in order, a data block at a time.
///
/// Keys increase strictly over the whole table, as bytes: what a name means never depends on which of two is found.
struct TableEntries: Sendable {
    struct Entry: Sendable {
        let key: [UInt8]
        let value: ArraySlice<UInt8>
        let valueOffset: Int
        fileprivate let block: TableBlock

        /// A failure to read the value as an error of the file.
        func error(_ failure: ByteReader.Failure, subject: String) -> FileError {
            block.error(failure, subject: subject)
        }
    }

    private let file: InputFile
    private let index: TableBlock
    private let dataEnd: Int
    private let limits: TableLimits
    private var blocks: BlockCursor
    private var current: (block: TableBlock, cursor: BlockCursor, separator: [UInt8])?
    private var nextOffset = 0
    private var lastKey: [UInt8]?
    /// Where the index ends the block before the current one: every key here lies past it.
    private var floor: [UInt8]?
    private var entryCount = 0
    private var keyByteCount = 0

    init(file: InputFile, index: TableBlock, dataEnd: Int, limits: TableLimits) throws(FileError) {
        self.file = file
        self.index = index
        self.dataEnd = dataEnd
        self.limits = limits
        do throws(ByteReader.Failure) {
            blocks = try BlockCursor(index, limits: limits)
        } catch {
            throw index.error(error)
        }
    }

    /// The next entry; nil after the last, when the data blocks have filled the file up to the metaindex.
    mutating func next() throws(FileError) -> Entry? {
        while true {
            if let entry = try nextInBlock() { return entry }
            guard try openNextBlock() else { return nil }
        }
    }

    private mutating func nextInBlock() throws(FileError) -> Entry? {
        guard let block = current?.block else { return nil }
        do throws(ByteReader.Failure) {
            guard let entry = try current?.cursor.next() else {
                floor = current?.separator
                current = nil
                return nil
            }
            try admit(entry)
            return Entry(key: entry.key, value: entry.value, valueOffset: entry.valueOffset, block: block)
        } catch {
            throw block.error(error)
        }
    }

    private mutating func admit(_ entry: BlockCursor.Entry) throws(ByteReader.Failure) {
        if let lastKey, !lastKey.lexicographicallyPrecedes(entry.key) {
            throw ByteReader.Failure(
                offset: entry.valueOffset,
                lastKey == entry.key
                    ? "the key \(quoted(entry.key)) appears twice"
                    : "the key \(quoted(entry.key)) follows \(quoted(lastKey)), but keys must increase")
        }
        if let floor, !floor.lexicographicallyPrecedes(entry.key) {
            throw ByteReader.Failure(
                offset: entry.valueOffset,
                "the key \(quoted(entry.key)) does not lie past \(quoted(floor)), where the index ends the block before it")
        }
        if let separator = current?.separator, separator.lexicographicallyPrecedes(entry.key) {
            throw ByteReader.Failure(
                offset: entry.valueOffset,
                "the key \(quoted(entry.key)) lies past \(quoted(separator)), where the index ends its block")
        }
        lastKey = entry.key
        entryCount += 1
        keyByteCount += entry.key.count
        guard entryCount <= limits.entryCount else {
            throw ByteReader.Failure(offset: entry.valueOffset, "more than \(limits.entryCount) entries are in this index")
        }
        guard keyByteCount <= limits.allKeysByteCount else {
            throw ByteReader.Failure(
                offset: entry.valueOffset, "the names in this index take more than \(limits.allKeysByteCount) bytes")
        }
    }

    private mutating func openNextBlock() throws(FileError) -> Bool {
        let separator: [UInt8]
        let handle: BlockHandle
        do throws(ByteReader.Failure) {
            guard let entry = try blocks.next() else {
                guard nextOffset == dataEnd else {
                    throw ByteReader.Failure(
                        offset: index.firstOffset,
                        "the data blocks end at byte \(nextOffset), but the metaindex begins at \(dataEnd)")
                }
                return false
            }
            var reader = ByteReader(entry.value, origin: entry.valueOffset)
            handle = try BlockHandle(reading: &reader)
            guard reader.remainingCount == 0 else {
                throw ByteReader.Failure(offset: reader.offset, "\(reader.remainingCount) bytes follow a block's handle")
            }
            guard handle.offset == nextOffset else {
                throw ByteReader.Failure(
                    offset: entry.valueOffset,
                    "a data block begins at byte \(handle.offset), but the one before it ends at \(nextOffset)")
            }
            separator = entry.key
        } catch {
            throw index.error(error)
        }
        let block = try TableBlock(handle, of: file, end: dataEnd, limits: limits)
        do throws(ByteReader.Failure) {
            let cursor = try BlockCursor(block, limits: limits)
            guard !cursor.isAtEnd else { throw ByteReader.Failure(offset: block.firstOffset, "a data block holds no entries") }
            current = (block, cursor, separator)
        } catch {
            throw block.error(error)
        }
        nextOffset = handle.offset + handle.byteCount + BlockHandle.trailerByteCount
        return true
    }
}
