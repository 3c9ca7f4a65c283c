import ByteIO

/// The entries of an index: the header, the tensors by name, and the slices of partitioned ones.
struct BundleIndex {
    /// A tensor as the index names it.
    struct Tensor {
        let name: String
        let key: [UInt8]
        let entry: BundleEntry
    }

    let path: String
    let shardCount: Int
    /// In the order of their names' bytes.
    let tensors: [Tensor]
    let slices: [SliceKey: BundleEntry]
    /// Numbers of the data files that hold a tensor.
    let shards: Set<Int>

    init(_ file: InputFile) throws(FileError) {
        if file.byteCount > TableLimits().fileByteCount, BundleLocation.isVersion1(file) {
            throw BundleLocation.version1Error(file.path)
        }
        path = file.path
        var entries = try Table(file).entries()
        guard let first = try entries.next(), first.key.isEmpty else {
            throw FileError(
                file.path, "is a table, but no TensorFlow index: its first key is not the empty one of a bundle's header")
        }
        shardCount = try Self.shardCount(first, path: file.path)
        var tensors: [Tensor] = []
        var slices: [SliceKey: BundleEntry] = [:]
        var shards: Set<Int> = []
        while let next = try entries.next() {
            let entry: BundleEntry
            do throws(ByteReader.Failure) {
                entry = try BundleEntry(next.value, origin: next.valueOffset)
            } catch {
                throw next.error(error, subject: Self.subject(next.key))
            }
            guard entry.shard < shardCount else {
                throw FileError(
                    file.path, at: Self.subject(next.key),
                    "lies in data file \(entry.shard), but there are \(shardCount), counted from 0")
            }
            if entry.slices.isEmpty { shards.insert(entry.shard) }
            if next.key.first == SliceKey.marker {
                guard let key = SliceKey(next.key) else {
                    throw FileError(
                        file.path, at: Self.subject(next.key), "the key begins with a zero byte, but is not that of a slice")
                }
                guard entry.slices.isEmpty else {
                    throw FileError(file.path, at: Self.subject(next.key), "a slice has slices of its own")
                }
                slices[key] = entry
            } else {
                guard let name = String(validating: next.key, as: UTF8.self) else {
                    throw FileError(file.path, at: Self.subject(next.key), "the name is not UTF-8")
                }
                tensors.append(Tensor(name: name, key: next.key, entry: entry))
            }
        }
        self.tensors = tensors
        self.slices = slices
        self.shards = shards
    }

    /// Made for a message only: a name is long, and an index has many.
    private static func subject(_ key: [UInt8]) -> String { "tensor \(quoted(key))" }

    /// Checks that the bundle is one we may read, and returns the number of its data files.
    private static func shardCount(_ first: TableEntries.Entry, path: String) throws(FileError) -> Int {
        guard !BundleHeader.isOfVersion1(first.value) else { throw BundleLocation.version1Error(path) }
        let header: BundleHeader
        do throws(ByteReader.Failure) {
            header = try BundleHeader(first.value, origin: first.valueOffset)
        } catch {
            throw first.error(error, subject: "header")
        }
        guard !header.isBigEndian else {
            throw FileError(
                path, at: "header", "the bundle is big-endian, but only little-endian ones are read",
                hint: "restore it in TensorFlow on a little-endian machine, which swaps the bytes, and save it again")
        }
        let version = BundleHeader.version
        guard header.minimumConsumer <= version, !header.badConsumers.contains(version) else {
            throw FileError(
                path, at: "header",
                header.minimumConsumer > version
                    ? "the bundle needs a reader of version \(header.minimumConsumer), but this one is of version \(version)"
                    : "the bundle says that readers of version \(version) must not read it",
                hint: "save it again with a TensorFlow of the 2.x series")
        }
        guard header.shardCount > 0 else { throw FileError(path, at: "header", "the bundle has 0 data files") }
        return header.shardCount
    }
}
