package import ByteIO
import Platform

/// A log: lines that are there as soon as they are written, behind those of an earlier run.
package final class AppendedFile: Sendable {
    package let path: String
    private let descriptor: Int32

    /// - Parameters:
    ///   - continues: what is there stays, and lines come behind it; otherwise the file begins anew.
    ///   - replaces: what is there may go; otherwise a file that exists is an error.
    ///   - inputs: files that are read; the log must be none of them.
    package init(path: String, continues: Bool, replaces: Bool, inputs: [InputFile]) throws(FileError) {
        self.path = path
        let identity = FilePath.identity(of: path)
        if let input = inputs.first(where: { $0.identity == identity }) {
            throw FileError(path, "is also an input (\(input.path))", hint: "choose another file")
        }
        guard continues || replaces || FilePath.kind(of: path) != .file else {
            throw FileError(path, "exists already", hint: "`replaces` replaces it")
        }
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
