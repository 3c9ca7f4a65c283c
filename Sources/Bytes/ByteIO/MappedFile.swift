import Platform

/// A file whose bytes are used where the system keeps them: mapped, read-only, never copied.
///
/// For weights that are read again with every token. Passes that read a file once are better off with `InputFile.read`:
/// the pages of a mapping count as resident memory, and a mapping cannot report a failing disk or a file that shrinks. The
/// process gets the signal SIGBUS then; `exitOnLostPages` turns it into a message and an exit.
package final class MappedFile: Sendable {
    package let file: InputFile
    // Read-only, and unmapped only when nobody holds this object any more.
    nonisolated(unsafe) private let base: UnsafeRawPointer?

    package var byteCount: Int { file.byteCount }

    package init(_ file: InputFile) throws(FileError) {
        self.file = file
        guard file.byteCount > 0 else {
            base = nil
            return
        }
        guard let address = mmap(nil, file.byteCount, PROT_READ, MAP_SHARED, file.descriptor, 0), address != MAP_FAILED else {
            throw FileError(file.path, "cannot be mapped into memory: \(systemErrorText(errno))")
        }
        base = UnsafeRawPointer(address)
    }

    deinit {
        if let base { munmap(UnsafeMutableRawPointer(mutating: base), file.byteCount) }
    }

    /// Bytes `range` of the file, valid for as long as this object is held.
    ///
    /// - Throws: where the file does not have them.
    package func bytes(_ range: Range<Int>) throws(FileError) -> UnsafeRawBufferPointer {
        guard range.lowerBound >= 0, range.upperBound <= byteCount else {
            throw FileError(
                file.path, at: "byte \(range.lowerBound)", "\(range.count) bytes are needed here, but the file has \(byteCount)",
                hint: "the file is shorter than its own header says; fetch it again")
        }
        guard let base else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count)
    }

    /// Asks the system to read bytes `range` ahead of their use. Nothing depends on whether it does.
    package func prefetch(_ range: Range<Int>) {
        guard let base, range.lowerBound >= 0, range.upperBound <= byteCount, !range.isEmpty else { return }
        let pageSize = sysconf(Int32(_SC_PAGESIZE))
        let start = range.lowerBound / pageSize * pageSize
        madvise(UnsafeMutableRawPointer(mutating: base + start), range.upperBound - start, MADV_WILLNEED)
    }

    /// Ends the process with a message and status 2, and no unfinished output, where a mapped page cannot be read: the file has
    /// shrunk, or its disk fails. The default is death by SIGBUS without a word. To be called before anything is mapped; a second
    /// call does nothing.
    package static func exitOnLostPages() { _ = isWatching }

    /// A handler can do next to nothing, so it wakes a thread that can, and keeps its own from going on.
    private static let isWatching: Bool = {
        guard lostPage != nil else { return false }
        let watcher = SystemThread {
            lostPage?.wait()
            TemporaryFiles.removeAll()
            let message: StaticString =
                "error: a model file can no longer be read where it is mapped: it has shrunk while it was used, or its disk fails\n"
            message.withUTF8Buffer { _ = write(2, $0.baseAddress, $0.count) }
            _exit(2)
        }
        guard let watcher else { return false }
        watcher.detach()
        signal(SIGBUS) { _ in
            lostPage?.ring()
            while true { pause() }
        }
        return true
    }()
}

/// Rung where a page is lost; made before the handler that rings it.
private let lostPage = SignalBell()
