import CSystem
import Glibc

/// What a tool is asked to write, complete or not at all.
///
/// The work happens in a temporary file or folder beside the destination; `commit` brings it to disk and renames it.
/// Dropped without a commit it is removed, and whatever was at the destination is untouched.
package struct AtomicOutput: ~Copyable {
    package let destination: String
    private let temporaryPath: String
    /// Holds the lock on the temporary file or folder.
    private let lock: Int32
    private let replaces: Bool

    /// - Parameters:
    ///   - isFolder: a folder of files instead of one file.
    ///   - replaces: what exists at the destination is replaced; otherwise it is an error.
    ///   - inputs: files that are read; the destination must be none of them.
    package init(destination: String, isFolder: Bool = false, replaces: Bool, inputs: [InputFile] = []) throws(FileError) {
        try Self.checkDestination(destination, isFolder: isFolder, replaces: replaces, inputs: inputs)
        TemporaryFiles.removeAbandoned(beside: destination)
        let path = TemporaryFiles.unusedPath(beside: destination)
        if isFolder {
            guard mkdir(path, 0o777) == 0 else { throw FileError(destination, "cannot be created: \(systemErrorText(errno))") }
        } else {
            let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            guard descriptor >= 0 else { throw FileError(destination, "cannot be created: \(systemErrorText(errno))") }
            close(descriptor)
        }
        TemporaryFiles.register(path)
        lock = open(path, O_RDONLY | O_CLOEXEC)
        if lock >= 0 { flock(lock, LOCK_EX | LOCK_NB) }
        self.destination = destination
        self.replaces = replaces
        temporaryPath = path
    }

    deinit {
        if lock >= 0 { close(lock) }
        TemporaryFiles.removeTree(temporaryPath)
        TemporaryFiles.forget(temporaryPath)
    }

    /// The file to write, where the output is one file.
    package func file() throws(FileError) -> OutputFile {
        let descriptor = open(temporaryPath, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(destination, "cannot be opened for writing: \(systemErrorText(errno))") }
        return OutputFile(descriptor: descriptor, path: destination)
    }

    /// A new file inside the output, where it is a folder.
    package func createFile(named name: String) throws(FileError) -> OutputFile {
        let shownPath = FilePath.join(destination, name)
        let descriptor = open(FilePath.join(temporaryPath, name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw FileError(shownPath, "cannot be created: \(systemErrorText(errno))") }
        return OutputFile(descriptor: descriptor, path: shownPath)
    }

    /// Brings `files` to disk and gives the output its final name.
    package consuming func commit(_ files: [OutputFile]) throws(FileError) {
        for file in files { try file.synchronize() }
        if FilePath.kind(of: temporaryPath) == .folder { Self.synchronizeFolder(temporaryPath) }
        try moveIntoPlace()
        Self.synchronizeFolder(FilePath.folder(of: destination))
    }

    private func moveIntoPlace() throws(FileError) {
        if !replaces {
            let noReplace: UInt32 = 1
            if renameat2(AT_FDCWD, temporaryPath, AT_FDCWD, destination, noReplace) == 0 { return }
            guard errno == EINVAL || errno == ENOSYS else {
                throw FileError(destination, "cannot be put in place: \(systemErrorText(errno))")
            }
        }
        if rename(temporaryPath, destination) == 0 { return }
        let code = errno
        // A folder with files in it cannot be renamed over: old and new swap names in one step, then the old one goes.
        guard replaces, code == ENOTEMPTY || code == EEXIST else {
            throw FileError(destination, "cannot be put in place: \(systemErrorText(code))")
        }
        let exchange: UInt32 = 2
        guard renameat2(AT_FDCWD, temporaryPath, AT_FDCWD, destination, exchange) == 0 else {
            throw FileError(destination, "cannot be replaced: \(systemErrorText(errno))", hint: "remove it, or choose another output")
        }
    }

    private static func checkDestination(_ path: String, isFolder: Bool, replaces: Bool, inputs: [InputFile]) throws(FileError) {
        let kind = FilePath.kind(of: path)
        if kind == .missing { return }
        if let identity = FilePath.identity(of: path) {
            for input in inputs {
                let isInput = input.identity == identity || FilePath.identity(of: FilePath.folder(of: input.path)) == identity
                guard !isInput else { throw FileError(path, "is also an input (\(input.path))", hint: "choose another output") }
            }
        }
        guard replaces else { throw FileError(path, "exists already", hint: "--force replaces it") }
        guard kind == (isFolder ? .folder : .file) else {
            throw FileError(path, kind == .folder ? "is a folder; a file is to be written" : "is not a folder; a folder is to be written")
        }
        if isFolder { try checkReplaceable(path) }
    }

    /// Only a folder that looks like an earlier export may be replaced: `--force` must never remove anybody's work.
    private static func checkReplaceable(_ folder: String) throws(FileError) {
        let names = try FilePath.entries(of: folder)
        let stranger = names.first { FilePath.kind(of: FilePath.join(folder, $0)) != .file }
        guard stranger == nil, names.isEmpty || names.contains(where: { $0.hasSuffix(".safetensors") }) else {
            let reason = stranger.map { "it holds '\($0)'" } ?? "it holds no .safetensors file"
            throw FileError(folder, "is not replaced: \(reason), so it is no model folder", hint: "choose another output")
        }
    }

    private static func synchronizeFolder(_ path: String) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}
