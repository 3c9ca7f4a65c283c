import ByteIO

/// Finds the prefix that a path of any kind stands for: `PREFIX.index` and `PREFIX.data-00000-of-00001` are the bundle.
enum BundleLocation {
    static let indexSuffix = ".index"

    /// The name of a data file.
    static func dataPath(prefix: String, shard: Int, of shardCount: Int) -> String {
        "\(prefix).data-\(fiveDigits(shard))-of-\(fiveDigits(shardCount))"
    }

    /// The prefix for a folder, an index, a prefix or the file `checkpoint`.
    static func prefix(forPath path: String) throws(FileError) -> String {
        switch FilePath.kind(of: path) {
        case .folder where FilePath.kind(of: path + indexSuffix) != .file: return try prefix(inFolder: path)
        case .file where FilePath.name(of: path) == CheckpointState.fileName:
            return try prefix(inFolder: FilePath.folder(of: path))
        default: break
        }
        if let prefix = prefix(ofIndex: path), FilePath.kind(of: path) == .file { return prefix }
        if FilePath.kind(of: path + indexSuffix) == .file { return path }
        throw explanation(path)
    }

    /// The prefix of an index's path; nil where it does not end in `.index`.
    static func prefix(ofIndex path: String) -> String? {
        path.hasSuffix(indexSuffix) && FilePath.name(of: path) != indexSuffix ? String(path.dropLast(indexSuffix.count)) : nil
    }

    /// The bundle of a folder: the latest one by its file `checkpoint`, else its only index, else a SavedModel's variables.
    static func prefix(inFolder folder: String) throws(FileError) -> String {
        let entries = try FilePath.entries(of: folder)
        let indexes = entries.filter { prefix(ofIndex: $0) != nil }
        if entries.contains(CheckpointState.fileName) { return try latestPrefix(in: folder, indexes: indexes) }
        if indexes.count == 1, let prefix = prefix(ofIndex: indexes[0]) { return FilePath.join(folder, prefix) }
        if indexes.count > 1 {
            throw FileError(folder, "holds \(indexes.count) indexes: \(list(indexes))", hint: "give the path of one of them")
        }
        let variables = FilePath.join(FilePath.join(folder, "variables"), "variables")
        if FilePath.kind(of: variables + indexSuffix) == .file { return variables }
        throw FileError(
            folder, "holds no TensorFlow checkpoint: neither a file 'checkpoint', nor an index, nor a SavedModel's variables",
            hint: "a checkpoint is a file NAME.index with one or more files NAME.data-00000-of-00001")
    }

    private static func latestPrefix(in folder: String, indexes: [String]) throws(FileError) -> String {
        let file = try InputFile(path: FilePath.join(folder, CheckpointState.fileName))
        let bytes = try file.allBytes(limit: CheckpointState.fileByteCount)
        let name: String
        do throws(ByteReader.Failure) {
            name = try CheckpointState(bytes).latestName
        } catch {
            throw error.inFile(file.path, hint: "this file names the latest checkpoint; give the path of an index instead")
        }
        let prefix = FilePath.join(folder, name)
        if indexes.contains(name + indexSuffix) { return prefix }
        if name.contains("?????-of-") || hasTableFooter(prefix) { throw version1Error(prefix) }
        throw FileError(
            file.path, "names \(quoted(name)), but there is no \(quoted(name + indexSuffix)) beside it",
            hint: indexes.isEmpty ? "fetch the index and the data files too" : "give the path of an index: \(list(indexes))")
    }

    /// Why a path is no bundle, and what would be.
    static func explanation(_ path: String) -> FileError {
        let name = FilePath.name(of: path)
        let kind = FilePath.kind(of: path)
        if let prefix = prefixOfDataFile(name) {
            return FileError(
                path, "is a data file, which holds nothing but bytes; '\(prefix)\(indexSuffix)' says what they are",
                hint: "give the path of '\(prefix)\(indexSuffix)', or the folder")
        }
        if name.hasSuffix(".meta") {
            let index = name.dropLast(5) + indexSuffix
            return FileError(
                path, "is a graph, which holds no tensors; '\(index)' says where they are",
                hint: "give the path of '\(index)', or the folder")
        }
        if kind == .file, let prefix = prefix(ofIndex: path) {
            return FileError(
                path, "is an index, not what its files share", hint: "give '\(FilePath.name(of: prefix))' as the prefix")
        }
        if kind == .file, hasTableFooter(path) {
            return isVersion1(path)
                ? version1Error(path)
                : FileError(
                    path, "is an index, but its name does not end in '\(indexSuffix)'",
                    hint: "rename it: data files are found by the name of their index")
        }
        if kind == .file { return FileError(path, "is not a TensorFlow checkpoint", hint: "give the path of a file NAME.index") }
        return FileError(
            path, name.hasSuffix(indexSuffix) ? "is missing" : "is missing, and so is '\(name + indexSuffix)'",
            hint: "give a folder, an index NAME.index, or the NAME that a checkpoint's files share")
    }

    /// The refusal of TensorFlow's first format.
    static func version1Error(_ path: String) -> FileError {
        FileError(
            path, "is a V1 checkpoint of TensorFlow, index and tensors in one file; only V2 checkpoints are read",
            hint: "restore it in TensorFlow with tf.compat.v1.train.Saver and save it again, which writes V2 unless told not to")
    }

    /// Whether a table begins as a V1 checkpoint does, told by its first bytes: an empty key and the meta data of the tensors.
    ///
    /// For files of any length: V1 keeps the tensors in the table, which may be larger than any index.
    static func isVersion1(_ file: InputFile) -> Bool {
        guard let bytes = try? file.bytes(atOffset: 0, count: min(file.byteCount, 16)) else { return false }
        var reader = ByteReader(bytes)
        guard (try? reader.count()) == 0, (try? reader.count()) == 0, (try? reader.count()) != nil else { return false }
        return (try? reader.byte()) == 0x0a
    }

    private static func isVersion1(_ path: String) -> Bool {
        guard let file = try? InputFile(path: path) else { return false }
        return isVersion1(file)
    }

    private static func hasTableFooter(_ path: String) -> Bool {
        guard FilePath.kind(of: path) == .file, let file = try? InputFile(path: path), file.byteCount >= TableFooter.byteCount,
            let footer = try? file.bytes(atOffset: file.byteCount - TableFooter.byteCount, count: TableFooter.byteCount)
        else { return false }
        return TableFooter.hasMagic(footer[...])
    }

    /// `NAME` of `NAME.data-00000-of-00001`.
    private static func prefixOfDataFile(_ name: String) -> String? {
        let parts = name.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[parts.count - 2].elementsEqual("of".utf8),
            [parts[parts.count - 1], parts[parts.count - 3]].allSatisfy({ part in
                part.count >= 5 && part.allSatisfy { (48...57).contains($0) }
            })
        else { return nil }
        let head = parts.dropLast(3).joined(separator: "-".utf8)
        let text = String(decoding: Array(head), as: UTF8.self)
        return text.hasSuffix(".data") ? String(text.dropLast(5)) : nil
    }

    private static func list(_ names: [String]) -> String {
        let shown = names.prefix(8).map { "'\($0)'" }.joined(separator: ", ")
        return names.count > 8 ? "\(shown) and \(names.count - 8) more" : shown
    }

    private static func fiveDigits(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
}
