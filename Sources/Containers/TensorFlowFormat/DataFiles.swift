import ByteIO

/// The data files of a bundle, and the bytes of them that entries have claimed.
struct DataFiles {
    /// The index, then the data files that hold a tensor.
    let files: [InputFile]
    private let fileOfShard: [Int: Int]
    private var claims: [Claim] = []

    private struct Claim {
        let run: StoredRun
        let name: [UInt8]
    }

    /// Opens the data files that hold a tensor; no loop runs over the number that the header gives.
    init(_ index: BundleIndex, indexFile: InputFile, prefix: String) throws(FileError) {
        let needed = index.shards.sorted()
        let paths = needed.map { BundleLocation.dataPath(prefix: prefix, shard: $0, of: index.shardCount) }
        let missing = paths.filter { FilePath.kind(of: $0) == .missing }
        if let first = missing.first {
            let name = quoted(FilePath.name(of: first))
            let absent = missing.count > 1 ? "\(name) and \(missing.count - 1) more are missing" : "\(name) is missing"
            throw missing.count == paths.count
                ? FileError(
                    index.path, "only the index is here: its data file \(absent)",
                    hint: "the index says what the tensors are, the data file holds them: fetch both into one folder")
                : FileError(
                    index.path, "its data file \(absent)",
                    hint: "fetch all \(paths.count) data files into one folder")
        }
        var files = [indexFile]
        var fileOfShard: [Int: Int] = [:]
        for (shard, path) in zip(needed, paths) {
            fileOfShard[shard] = files.count
            files.append(try InputFile(path: path))
        }
        self.files = files
        self.fileOfShard = fileOfShard
    }

    /// The bytes of an entry, which must lie within their file. `key` is the entry's key in the index.
    mutating func claim(_ entry: BundleEntry, key: [UInt8]) throws(FileError) -> StoredRun {
        guard let file = fileOfShard[entry.shard] else { preconditionFailure("every shard of an entry was opened") }
        let length = files[file].byteCount
        guard entry.offset <= length, entry.byteCount <= length - entry.offset else {
            throw FileError(
                files[file].path, at: "tensor \(quoted(key))",
                "its \(entry.byteCount) bytes from byte \(entry.offset) on reach past the end of the file, at \(length)",
                hint: "the data file is incomplete; fetch it again")
        }
        let run = StoredRun(file: file, offset: entry.offset, byteCount: entry.byteCount, checksum: entry.checksum)
        if run.byteCount > 0 { claims.append(Claim(run: run, name: key)) }
        return run
    }

    /// Refuses two entries with bytes in common. TensorFlow appends each tensor; shared bytes would let a small file claim
    /// any amount of data.
    func requireSeparateClaims() throws(FileError) {
        let sorted = claims.sorted { ($0.run.file, $0.run.offset) < ($1.run.file, $1.run.offset) }
        for (first, second) in zip(sorted, sorted.dropFirst()) where first.run.file == second.run.file {
            guard first.run.offset + first.run.byteCount <= second.run.offset else {
                throw FileError(
                    files[second.run.file].path, at: "tensor \(quoted(second.name))",
                    "its \(second.run.byteCount) bytes from byte \(second.run.offset) on overlap those of tensor "
                        + "\(quoted(first.name)), \(first.run.byteCount) from byte \(first.run.offset) on")
            }
        }
    }
}
