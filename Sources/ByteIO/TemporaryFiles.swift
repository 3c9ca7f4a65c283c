import Glibc
import Synchronization

/// Unfinished outputs: under a name of their own beside the final one, until they are complete.
///
/// The name is `.NAME.partial-XXXXXXXX`. The process that writes one holds a lock on it, so that a later run can tell
/// what a killed one left behind from what another is still writing.
package enum TemporaryFiles {
    private static let marker = ".partial-"
    private static let live = Mutex<Set<String>>([])

    /// Removes every unfinished output of this process: to be called before it ends by a signal.
    package static func removeAll() {
        live.withLock { paths in
            for path in paths { removeTree(path) }
            paths.removeAll()
        }
    }

    static func register(_ path: String) {
        live.withLock { _ = $0.insert(path) }
    }

    static func forget(_ path: String) {
        live.withLock { _ = $0.remove(path) }
    }

    /// A name beside `path` that does not exist yet.
    static func unusedPath(beside path: String) -> String {
        var generator = SystemRandomNumberGenerator()
        while true {
            let digits = String(UInt32.random(in: .min ... .max, using: &generator), radix: 16)
            let name = ".\(FilePath.name(of: path))\(marker)\(String(repeating: "0", count: 8 - digits.count))\(digits)"
            let candidate = FilePath.join(FilePath.folder(of: path), name)
            var status = stat()
            if lstat(candidate, &status) != 0 { return candidate }
        }
    }

    /// Removes what runs that were killed left beside `path`: unfinished outputs of the same name that nobody locks.
    static func removeAbandoned(beside path: String) {
        let prefix = ".\(FilePath.name(of: path))\(marker)"
        guard let names = try? FilePath.entries(of: FilePath.folder(of: path)) else { return }
        for name in names where name.hasPrefix(prefix) && name.utf8.count == prefix.utf8.count + 8 {
            let candidate = FilePath.join(FilePath.folder(of: path), name)
            let descriptor = open(candidate, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { removeTree(candidate) }
            close(descriptor)
        }
    }

    /// Removes a file, or a folder of files; what cannot be removed stays.
    static func removeTree(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in (try? FilePath.entries(of: path)) ?? [] { removeTree(FilePath.join(path, name)) }
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}
