import ByteIO
import Glibc
import TestSupport
import Testing

/// A file system in memory with room for one megabyte.
enum SmallDisk {
    struct NotPermitted: Error {}

    /// Mounting needs a right that most users, and root in most containers, do not have.
    static let isPossible = (try? mounted { _ in }) != nil

    /// Calls `body` with a folder in which `disk` is such a file system.
    static func mounted(_ body: (TemporaryFolder) throws -> Void) throws {
        let folder = try TemporaryFolder()
        let path = try folder.makeFolder("disk")
        guard mount("tmpfs", path, "tmpfs", 0, "size=1m") == 0 else { throw NotPermitted() }
        defer { umount2(path, Int32(MNT_DETACH)) }
        try body(folder)
    }
}
