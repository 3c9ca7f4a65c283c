import ByteIO

/// Writes tables, sound ones and others.
struct TableWriter {
    enum Compression { case raw, snappy }

    struct Entry {
        var key: [UInt8]
        var value: [UInt8]
    }

    var restartInterval = 16
    /// A block is closed once it has this many bytes.
    var blockByteCount = 256 << 10
    var compression = Compression.raw

    func table(_ entries: [Entry]) -> [UInt8] {
        var blocks: [[Entry]] = [[]]
        var byteCount = 0
        for entry in entries {
            if byteCount >= blockByteCount {
                blocks.append([])
                byteCount = 0
            }
            blocks[blocks.count - 1].append(entry)
            byteCount += entry.key.count + entry.value.count
        }
        return Self.file(
            blocks: blocks.map { ($0.last?.key ?? [], seal(contents($0))) }, metaindex: seal(contents([])), seal: seal)
    }

    /// A file of sealed blocks, each under a key of the index.
    static func file(
        blocks: [(separator: [UInt8], sealed: [UInt8])], metaindex: [UInt8], seal: ([UInt8]) -> [UInt8]
    ) -> [UInt8] {
        var file: [UInt8] = []
        var index: [Entry] = []
        for block in blocks {
            index.append(Entry(key: block.separator, value: handle(file.count, block.sealed.count - 5)))
            file += block.sealed
        }
        var footer = handle(file.count, metaindex.count - 5)
        file += metaindex
        let sealedIndex = seal(TableWriter(restartInterval: 1).contents(index))
        footer += handle(file.count, sealedIndex.count - 5)
        file += sealedIndex
        footer += [UInt8](repeating: 0, count: 40 - footer.count)
        return file + footer + magic
    }

    static let magic: [UInt8] = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]

    static func handle(_ offset: Int, _ byteCount: Int) -> [UInt8] {
        Wire.varint(UInt64(offset)) + Wire.varint(UInt64(byteCount))
    }

    func contents(_ entries: [Entry]) -> [UInt8] {
        var bytes: [UInt8] = []
        var restarts: [Int] = []
        var last: [UInt8] = []
        for (number, entry) in entries.enumerated() {
            if number % restartInterval == 0 {
                restarts.append(bytes.count)
                last = []
            }
            let shared = zip(last, entry.key).prefix { $0 == $1 }.count
            bytes += Self.entry(shared: shared, unshared: Array(entry.key.dropFirst(shared)), value: entry.value)
            last = entry.key
        }
        return bytes + Self.tail(restarts: restarts.isEmpty ? [0] : restarts)
    }

    static func entry(shared: Int, unshared: [UInt8], value: [UInt8]) -> [UInt8] {
        Wire.varint(UInt64(shared)) + Wire.varint(UInt64(unshared.count)) + Wire.varint(UInt64(value.count)) + unshared + value
    }

    static func tail(restarts: [Int]) -> [UInt8] {
        restarts.flatMap { Wire.littleEndian(UInt32($0)) } + Wire.littleEndian(UInt32(restarts.count))
    }

    /// A block with its type and checksum.
    func seal(_ contents: [UInt8]) -> [UInt8] {
        switch compression {
        case .raw: Self.seal(contents, type: 0)
        case .snappy: Self.seal(SnappyWriter.compress(contents), type: 1)
        }
    }

    static func seal(_ stored: [UInt8], type: UInt8) -> [UInt8] {
        let bytes = stored + [type]
        return bytes + Wire.littleEndian(CRC32C(of: bytes).masked)
    }
}
