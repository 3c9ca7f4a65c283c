import Platform

/// What a tool is asked to write, complete or not at all.
///
/// The work happens in a temporary file or folder beside the destination; `commit` brings it to disk and renames it.
/// Dropped without a commit it is removed, and whatever was at the destination is untouched.
package struct AtomicOutput: ~Copyable {
    /// As it was asked for.
    package var destination: String { target.path }
    private let target: OutputDestination
    private let temporaryPath: String
    /// Holds the lock on the temporary file or folder.
    private let lock: Int32

    /// - Parameters:
    ///   - destination: where it is a link, what the link leads to is written, and the link stays.
    ///   - form: one file, or a folder of files.
    ///   - replaces: what exists at the destination is replaced; otherwise it is an error. Of folders only those are
    ///     replaced that are of the same kind.
    ///   - inputs: files that are read; the destination must be none of them, and hold none of them.
    package init(destination: String, form: OutputForm = .file, replaces: Bool, inputs: [InputFile] = []) throws(FileError) {
        let target = try OutputDestination(path: destination, form: form, replaces: replaces, inputs: inputs)
        TemporaryFiles.removeAbandoned(beside: target.place)
        do throws(Errno) {
            (temporaryPath, lock) = try TemporaryFiles.create(beside: target.place, isFolder: form.isFolder)
        } catch {
            throw FileError(destination, "cannot be created: \(systemErrorText(error.code))")
        }
        self.target = target
    }

    deinit {
        TemporaryFiles.remove(temporaryPath)
        TemporaryFiles.forget(temporaryPath)
        close(lock)
    }

    /// The file to write, where the output is one file.
    package func file() throws(FileError) -> OutputFile {
        let descriptor = open(temporaryPath, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(destination, "cannot be opened for writing: \(systemErrorText(errno))") }
        return OutputFile(descriptor: descriptor, path: destination)
    }

    /// A new file inside the output, where it is a folder; the folder of templates comes with the first that lies there.
    package func createFile(named name: String) throws(FileError) -> OutputFile {
        guard TemplateFolder.isFileName(name) else { throw FileError(destination, "'\(name)' cannot be the name of a file in it") }
        let shownPath = FilePath.join(destination, name)
        do throws(Errno) {
            let descriptor = try TemporaryFiles.whileUnfinished(temporaryPath) { () throws(Errno) in
                if TemplateFolder.holds(name), mkdir(templateFolder, 0o777) != 0, errno != EEXIST { throw Errno(code: errno) }
                let descriptor = open(FilePath.join(temporaryPath, name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
                guard descriptor >= 0 else { throw Errno(code: errno) }
                return descriptor
            }
            return OutputFile(descriptor: descriptor, path: shownPath)
        } catch {
            throw FileError(shownPath, "cannot be created: \(systemErrorText(error.code))")
        }
    }

    /// Brings `files` to disk and gives the output its final name.
    package consuming func commit(_ files: [OutputFile]) throws(FileError) {
        for file in files { try file.synchronize() }
        if target.form.isFolder {
            Self.synchronizeFolder(templateFolder)
            Self.synchronizeFolder(temporaryPath)
        }
        try target.checkState()
        do throws(Errno) {
            try TemporaryFiles.whileUnfinished(temporaryPath) { () throws(Errno) in
                try Self.move(temporaryPath, to: target.place, replaces: target.replaces)
            }
        } catch {
            guard error.code == EEXIST else { throw FileError(destination, "cannot be put in place: \(systemErrorText(error.code))") }
            throw FileError(destination, "exists already", hint: "`replaces` replaces it")
        }
        Self.synchronizeFolder(FilePath.folder(of: target.place))
    }

    private var templateFolder: String { FilePath.join(temporaryPath, TemplateFolder.name) }

    static func move(_ path: String, to place: String, replaces: Bool) throws(Errno) {
        if !replaces {
            switch RenameOutcome.renaming(path, toNew: place) {
            case .done: return
            case .notSupported: break  // (NFS, old kernels) The check a moment ago must do.
            case .failed(let code): throw Errno(code: code)
            }
        }
        if rename(path, place) == 0 { return }
        // A folder with files in it cannot be renamed over: old and new swap names in one step, and the old one goes
        // as the temporary one would have gone.
        guard replaces, errno == ENOTEMPTY || errno == EEXIST else { throw Errno(code: errno) }
        switch RenameOutcome.exchanging(path, place) {
        case .done: return
        case .notSupported: try exchangeInSteps(path, place)
        case .failed(let code): throw Errno(code: code)
        }
    }

    /// For file systems that cannot swap names (NFS): for a moment there is nothing at `place`.
    static func exchangeInSteps(_ path: String, _ place: String) throws(Errno) {
        let aside = path + "-old"
        guard rename(place, aside) == 0 else { throw Errno(code: errno) }
        guard rename(path, place) == 0 else {
            let code = errno
            rename(aside, place)
            throw Errno(code: code)
        }
        rename(aside, path)
    }

    private static func synchronizeFolder(_ path: String) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = bringToDisk(descriptor)
        close(descriptor)
    }
}
