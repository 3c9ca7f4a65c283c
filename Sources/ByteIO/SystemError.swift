import Glibc

/// The text of an `errno` value, as `perror` would print it.
func systemErrorText(_ code: Int32) -> String {
    String(cString: strerror(code))
}

/// Device and inode: two paths with the same identity are the same file, whatever links lie between.
package struct FileIdentity: Hashable, Sendable {
    package let device: UInt64
    package let inode: UInt64

    init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }
}
