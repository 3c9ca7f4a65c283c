import Platform
import Synchronization

/// Unfinished outputs: under a name of their own beside the final one, until they are complete.
///
/// The name is `.NAME.partial-XXXXXXXX`. The process that writes one holds a lock on it, so that a later run can tell
/// what a killed one left behind from what another is still writing.
package enum TemporaryFiles {
    private static let marker = ".partial-"
    private static let live = Mutex(Live())

    private struct Live {
        var paths: Set<String> = []
        var isEnding = false
    }

    /// Removes every unfinished output of this process: to be called before it ends by a signal. From then on there are
    /// none: threads that still work get errors instead.
    package static func removeAll() {
        live.withLock { live in
            live.isEnding = true
            for path in live.paths { remove(path) }
            live.paths.removeAll()
        }
    }

    /// Makes `body` and `removeAll` wait for each other: without that, a folder could be put in place while its files
    /// are being removed, or get another file that keeps it from being removed.
    ///
    /// - Throws: `ENOENT` where the output at `path` has been removed.
    static func whileUnfinished<Result>(_ path: String, _ body: () throws(Errno) -> Result) throws(Errno) -> Result {
        try live.withLock { live throws(Errno) in
            guard live.paths.contains(path) else { throw Errno(code: ENOENT) }
            return try body()
        }
    }

    /// A new file or folder beside `path`, with the descriptor that holds its lock.
    static func create(beside path: String, isFolder: Bool) throws(Errno) -> (path: String, lock: Int32) {
        while true {
            let candidate = randomPath(beside: path)
            do throws(Errno) {
                try live.withLock { live throws(Errno) in
                    guard !live.isEnding else { throw Errno(code: ECANCELED) }
                    try make(candidate, isFolder: isFolder)
                    live.paths.insert(candidate)
                }
                if let lock = try lock(candidate) { return (candidate, lock) }
            } catch {
                forget(candidate)
                guard error.code == EEXIST else { throw error }
            }
        }
    }

    private static func make(_ path: String, isFolder: Bool) throws(Errno) {
        let result = isFolder ? mkdir(path, 0o777) : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard result >= 0 else { throw Errno(code: errno) }
        if !isFolder { close(result) }
    }

    /// Locks what was just made; nil where another run was faster, took it for abandoned and removes it.
    private static func lock(_ path: String) throws(Errno) -> Int32? {
        let lock = open(path, O_RDONLY | O_CLOEXEC)
        guard lock >= 0 else {
            let code = errno
            if code == ENOENT { return nil }
            remove(path)
            throw Errno(code: code)
        }
        // File systems without locks do without: there nothing is ever taken for abandoned.
        let isTaken = flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
        if !isTaken, FilePath.identity(of: path) == FileIdentity(descriptor: lock) { return lock }
        close(lock)
        return nil
    }

    /// Stops keeping account of an output that is in place or removed.
    static func forget(_ path: String) {
        live.withLock { _ = $0.paths.remove(path) }
    }

    /// Removes what runs that were killed left beside `path`: unfinished outputs of the same name that nobody locks.
    static func removeAbandoned(beside path: String) {
        let prefix = Array(".\(FilePath.name(of: path))\(marker)".utf8)
        guard let names = try? FilePath.entries(of: FilePath.folder(of: path)) else { return }
        for name in names {
            let digits = name.utf8.dropFirst(prefix.count)
            guard name.utf8.starts(with: prefix), digits.count == digitCount,
                digits.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
            else { continue }
            let candidate = FilePath.join(FilePath.folder(of: path), name)
            guard [.file, .folder].contains(FilePath.kind(of: candidate)) else { continue }
            let descriptor = open(candidate, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { remove(candidate) }
            close(descriptor)
        }
    }

    /// Removes a file, or a folder of files and of chat templates; what cannot be removed stays, and so does any other folder
    /// inside the folder, which no run has made.
    static func remove(_ path: String) {
        if unlink(path) == 0 { return }
        for name in (try? FilePath.entries(of: path)) ?? [] {
            let inner = FilePath.join(path, name)
            guard unlink(inner) != 0, name == TemplateFolder.name else { continue }
            for template in (try? FilePath.entries(of: inner)) ?? [] { unlink(FilePath.join(inner, template)) }
            rmdir(inner)
        }
        rmdir(path)
    }

    /// Removes a file that is needed no more; one that cannot be removed stays.
    package static func removeFile(_ path: String) { unlink(path) }

    private static let digitCount = 8

    private static func randomPath(beside path: String) -> String {
        let digits = String(UInt32.random(in: .min ... .max), radix: 16)
        let zeros = String(repeating: "0", count: digitCount - digits.count)
        return FilePath.join(FilePath.folder(of: path), ".\(FilePath.name(of: path))\(marker)\(zeros)\(digits)")
    }
}

/// A failed system call.
struct Errno: Error, Hashable, Sendable {
    let code: Int32
}
