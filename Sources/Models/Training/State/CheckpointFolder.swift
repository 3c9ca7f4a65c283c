package import ByteIO
import Platform

/// The folder where a run leaves its checkpoints: one file each, named by the number of steps taken.
package struct CheckpointFolder: Sendable {
    package let path: String

    private static let prefix = "step-"
    private static let suffix = ".qtrain"

    package init(path: String) { self.path = path }

    /// Makes the folder where there is none.
    package func create() throws(FileError) {
        guard mkdir(path, 0o777) != 0 else { return }
        let code = errno
        guard code == EEXIST else { throw FileError(path, "cannot be created: \(String(cString: strerror(code)))") }
        guard FilePath.kind(of: path) == .folder else { throw FileError(path, "is no folder, but checkpoints are to lie in it") }
    }

    /// Refuses a disk on which the checkpoints of a run would not all have room: the new one is written before an old one goes.
    ///
    /// - Parameters:
    ///   - byteCount: of one.
    ///   - keeping: how many stay.
    package func checkRoom(forCheckpointsOf byteCount: Int, keeping: Int) throws(FileError) {
        var status = statvfs()
        // What cannot tell is written to all the same.
        let place = FilePath.kind(of: path) == .folder ? path : FilePath.folder(of: path)
        guard statvfs(place, &status) == 0 else { return }
        let missing = max(0, keeping + 1 - (try checkpoints().count))
        let (needed, overflows) = byteCount.multipliedReportingOverflow(by: missing)
        let (free, isHuge) = Int(clamping: status.f_bavail).multipliedReportingOverflow(by: Int(clamping: status.f_frsize))
        guard overflows || needed > free, !isHuge else { return }
        throw FileError(
            path, "\(missing) checkpoints of \(byteCount) bytes each will lie in it at a time, but \(free) bytes are free",
            hint: "`CheckpointFolder` chooses a folder on another disk; `keptCheckpoints` 1 keeps fewer")
    }

    /// Paths and steps of all checkpoints, oldest first.
    package func checkpoints() throws(FileError) -> [(step: Int, path: String)] {
        guard FilePath.kind(of: path) == .folder else { return [] }
        var found: [(step: Int, path: String)] = []
        for name in try FilePath.entries(of: path) where name.hasPrefix(Self.prefix) && name.hasSuffix(Self.suffix) {
            guard let step = Int(name.dropFirst(Self.prefix.count).dropLast(Self.suffix.count)) else { continue }
            found.append((step, FilePath.join(path, name)))
        }
        return found.sorted { $0.step < $1.step }
    }

    package func path(step: Int) -> String {
        let digits = String(step)
        return FilePath.join(path, Self.prefix + String(repeating: "0", count: max(0, 8 - digits.count)) + digits + Self.suffix)
    }

    /// Removes all but the newest `count` of up to `step` steps; those of more steps are of a run that this one replaces.
    package func removeOld(keeping count: Int, step: Int) throws(FileError) {
        let all = try checkpoints()
        let later = all.filter { $0.step > step }
        for (_, path) in later + all.dropLast(later.count).dropLast(max(1, count)) { unlink(path) }
    }
}
