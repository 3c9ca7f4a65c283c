package import ByteIO
package import TensorCore

/// The tensors of a TensorFlow V2 checkpoint: an index and the data files it names.
///
///     PREFIX.index                     a table (`Table`): "" -> BundleHeaderProto, name -> BundleEntryProto, ...
///     PREFIX.data-00000-of-00002       bytes of tensors, one after another
///     PREFIX.data-00001-of-00002
///
/// Everything the index says is checked when the bundle is opened: the table with its checksums, every entry's range against
/// the length of its file, its size against type and shape, that no two entries share bytes, and that the slices of a
/// partitioned tensor cover it once. The tensors' own checksums cost a pass over the data: `verifyChecksum`.
package struct TensorBundle: TensorSource {
    /// The index.
    package let path: String
    /// All tensors that can be read, by the bytes of their names. A partitioned tensor is one tensor.
    package let tensors: [TensorInfo]
    package let unreadableTensors: [UnreadableTensor]
    /// The index, then the data files that hold a tensor, in the order of their numbers.
    package let files: [InputFile]
    private let contents: [Content]

    /// Where the bytes of a tensor are.
    enum Content: Sendable {
        case whole(StoredRun)
        case partitioned(PartitionedTensor)
    }

    init(
        path: String, tensors: [TensorInfo], unreadableTensors: [UnreadableTensor], files: [InputFile], contents: [Content]
    ) {
        precondition(tensors.count == contents.count)
        self.path = path
        self.tensors = tensors
        self.unreadableTensors = unreadableTensors
        self.files = files
        self.contents = contents
    }

    /// Opens what a path stands for: a folder, `PREFIX.index`, `PREFIX`, or the file `checkpoint` in a folder.
    package static func open(path: String) throws(FileError) -> TensorBundle {
        try open(prefix: BundleLocation.prefix(forPath: path))
    }

    /// Opens `PREFIX.index` and the data files it names.
    package static func open(prefix: String) throws(FileError) -> TensorBundle {
        let indexPath = prefix + BundleLocation.indexSuffix
        guard FilePath.kind(of: indexPath) != .missing else { throw BundleLocation.explanation(prefix) }
        return try TensorBundleBuilder(prefix: prefix).build()
    }

    /// Opens the bundle of an index whose path ends in `.index`.
    package static func open(indexPath: String) throws(FileError) -> TensorBundle {
        guard let prefix = BundleLocation.prefix(ofIndex: indexPath) else { throw BundleLocation.explanation(indexPath) }
        return try open(prefix: prefix)
    }

    /// Opens the bundle of a folder: the one its file `checkpoint` names, else its only index, else a SavedModel's variables.
    package static func open(folder: String) throws(FileError) -> TensorBundle {
        try open(prefix: BundleLocation.prefix(inFolder: folder))
    }

    package func fileIndex(ofTensor index: Int) -> Int {
        switch contents[index] {
        case .whole(let run): run.file
        case .partitioned(let tensor): tensor.firstFile
        }
    }

    package func place(ofTensor index: Int) -> (file: Int, offset: Int)? {
        guard case .whole(let run) = contents[index] else { return nil }
        return (run.file, run.offset)
    }

    package func read(
        tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        let byteCount = tensors[index].byteCount
        precondition(offset >= 0 && offset <= byteCount && buffer.count <= byteCount - offset, "a range outside the tensor")
        switch contents[index] {
        case .whole(let run): try files[run.file].read(atOffset: run.offset + offset, into: buffer)
        case .partitioned(let tensor): try tensor.read(atByteOffset: offset, into: buffer, from: files)
        }
    }

    /// Nil for a partitioned tensor, whose slices have a checksum each.
    package func storedChecksum(ofTensor index: Int) -> CRC32C? {
        guard case .whole(let run) = contents[index] else { return nil }
        return CRC32C(masked: run.checksum)
    }

    package func verifyPartChecksums(ofTensor index: Int, buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        if case .partitioned = contents[index] { try verifyChecksum(tensor: index, buffer: buffer) }
    }

    /// Reads a tensor through `buffer` and compares its bytes, or those of each of its slices, with the stored checksum.
    ///
    /// The size of the buffer is the size of the reads; it must not be empty.
    package func verifyChecksum(tensor index: Int, buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        let name = quoted(tensors[index].name)
        switch contents[index] {
        case .whole(let run): try verify(run, subject: "tensor \(name)", buffer: buffer)
        case .partitioned(let tensor):
            for piece in tensor.pieces {
                try verify(piece.run, subject: "tensor \(name) slice \(piece.slice)", buffer: buffer)
            }
        }
    }

    private func verify(_ run: StoredRun, subject: String, buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        precondition(!buffer.isEmpty, "a buffer to read through")
        var checksum = CRC32C()
        var done = 0
        while done < run.byteCount {
            let chunk = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, run.byteCount - done)])
            try files[run.file].read(atOffset: run.offset + done, into: chunk)
            checksum.append(UnsafeRawBufferPointer(chunk))
            done += chunk.count
        }
        guard checksum.masked == run.checksum else { throw checksumError(run, subject: subject, computed: checksum.masked) }
    }

    private func checksumError(_ run: StoredRun, subject: String, computed: UInt32) -> FileError {
        FileError(
            files[run.file].path, at: subject,
            "the stored checksum is \(CRC32C(value: run.checksum)), but the \(run.byteCount) bytes from byte \(run.offset) on "
                + "give \(CRC32C(value: computed))",
            hint: "the data file is damaged, or not the one that belongs to this index; fetch both again")
    }
}
