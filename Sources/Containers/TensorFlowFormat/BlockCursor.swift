import ByteIO

/// The entries of a block, one after another.
///
///     entry | entry ... | restart offset, 4 bytes | ... | count of restarts, 4 bytes
///
///     varint shared | varint unshared | varint value | unshared bytes of the key | bytes of the value
///
/// A key is the first `shared` bytes of the key before it and its own unshared bytes. At a restart nothing is shared.
struct BlockCursor: Sendable {
    struct Entry: Sendable {
        let key: [UInt8]
        let value: ArraySlice<UInt8>
        let valueOffset: Int
    }

    private var entries: ByteReader
    private var restarts: ByteReader
    private let origin: Int
    private let keyLimit: Int
    private var key: [UInt8] = []
    private var nextRestart: Int?

    init(_ block: TableBlock, limits: TableLimits) throws(ByteReader.Failure) {
        let contents = block.contents
        origin = block.firstOffset
        keyLimit = limits.keyByteCount
        let end = origin + contents.count
        guard contents.count >= 4 else {
            throw ByteReader.Failure(offset: origin, "a block of \(contents.count) bytes has no room for its restart count")
        }
        var tail = ByteReader(contents.suffix(4), origin: end - 4)
        let count = Int(try tail.uint32())
        guard count > 0, count <= (contents.count - 4) / 4 else {
            throw ByteReader.Failure(
                offset: end - 4, "a block of \(contents.count) bytes cannot have \(count) restarts")
        }
        let entriesEnd = contents.endIndex - 4 - 4 * count
        entries = ByteReader(contents[..<entriesEnd], origin: origin)
        restarts = ByteReader(contents[entriesEnd..<contents.endIndex - 4], origin: end - 4 - 4 * count)
        nextRestart = Int(try restarts.uint32())
        guard nextRestart == 0 else {
            throw ByteReader.Failure(offset: restarts.offset - 4, "the first restart is at \(nextRestart ?? 0), not at 0")
        }
        if entries.remainingCount == 0 {
            guard count == 1 else { throw misplaced(Int(try restarts.uint32()), at: origin) }
            nextRestart = nil
        }
    }

    var isAtEnd: Bool { entries.remainingCount == 0 }

    /// The next entry, or nil after the last, when every restart has been met.
    mutating func next() throws(ByteReader.Failure) -> Entry? {
        let start = entries.offset
        guard entries.remainingCount > 0 else {
            if let restart = nextRestart { throw misplaced(restart, at: start) }
            return nil
        }
        let sharedCount = try entries.count()
        let unsharedCount = try entries.count()
        let valueCount = try entries.count()
        guard sharedCount <= key.count else {
            throw ByteReader.Failure(
                offset: start, "a key shares \(sharedCount) bytes with the key before it, which has \(key.count)")
        }
        try passRestart(at: start, sharedCount: sharedCount)
        let unshared = try entries.run(count: unsharedCount)
        guard sharedCount + unsharedCount <= keyLimit else {
            throw ByteReader.Failure(
                offset: start,
                "a key of \(sharedCount + unsharedCount) bytes is longer than \(keyLimit)")
        }
        key.removeSubrange(sharedCount...)
        key += unshared
        let valueOffset = entries.offset
        return Entry(key: key, value: try entries.run(count: valueCount), valueOffset: valueOffset)
    }

    private mutating func passRestart(at offset: Int, sharedCount: Int) throws(ByteReader.Failure) {
        guard let restart = nextRestart, restart <= offset - origin else { return }
        guard restart == offset - origin else { throw misplaced(restart, at: offset) }
        guard sharedCount == 0 else {
            throw ByteReader.Failure(offset: offset, "a key at a restart shares \(sharedCount) bytes with the key before it")
        }
        guard restarts.remainingCount > 0 else {
            nextRestart = nil
            return
        }
        let next = Int(try restarts.uint32())
        guard next > restart else {
            throw ByteReader.Failure(offset: restarts.offset - 4, "the restart at \(next) does not follow the one at \(restart)")
        }
        nextRestart = next
    }

    private func misplaced(_ restart: Int, at offset: Int) -> ByteReader.Failure {
        ByteReader.Failure(offset: offset, "the restart at \(restart) is not where an entry begins")
    }
}
