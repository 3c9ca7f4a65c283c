package import ByteIO
import Glibc

/// A log: lines that are there as soon as they are written, behind those of an earlier run.
package final class AppendedFile: Sendable {
    package let path: String
    private let descriptor: Int32

    /// - Parameter continues: what is there stays; otherwise the file begins anew.
    package init(path: String, continues: Bool) throws(FileError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (continues ? 0 : O_TRUNC), 0o666)
        guard descriptor >= 0 else { throw FileError(path, "cannot be opened for writing: \(String(cString: strerror(errno)))") }
    }

    deinit { close(descriptor) }

    package func writeLine(_ line: String) throws(FileError) {
        let bytes = Array((line + "\n").utf8)
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                done += count
            } else if errno != EINTR {
                throw FileError(path, "cannot be written: \(String(cString: strerror(errno)))")
            }
        }
    }
}
