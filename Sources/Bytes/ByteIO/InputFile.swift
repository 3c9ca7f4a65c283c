import Platform

/// A regular file open for reading at any offset, from any thread.
///
/// Reads go into buffers of the caller (`pread`), not through a mapping: resident memory stays what the caller
/// reserves, and a file that shrinks under us is an error instead of a signal.
package final class InputFile: Sendable {
    package let path: String
    /// Length at the time of opening.
    package let byteCount: Int
    package let identity: FileIdentity
    let descriptor: Int32

    package init(path: String) throws(FileError) {
        guard !path.utf8.contains(0) else { throw FileError(path, "cannot be opened: no path holds a NUL character") }
        // Without O_NONBLOCK, opening a pipe would wait for somebody to write into it; regular files know no difference.
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(path, "cannot be opened: \(systemErrorText(errno))") }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let code = errno
            close(descriptor)
            throw FileError(path, "cannot be examined: \(systemErrorText(code))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw FileError(path, status.st_mode & S_IFMT == S_IFDIR ? "is a folder, not a file" : "is not a regular file")
        }
        self.path = path
        self.descriptor = descriptor
        byteCount = Int(status.st_size)
        identity = FileIdentity(status)
    }

    deinit { close(descriptor) }

    /// The last component of the path.
    package var name: String { FilePath.name(of: path) }

    /// Fills `buffer` with the bytes from `offset` on; an end of file before the buffer is full is an error.
    package func read(atOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        guard offset >= 0, offset <= byteCount, buffer.count <= byteCount - offset else {
            throw FileError(
                path, at: "byte \(offset)", "\(buffer.count) bytes are needed here, but the file has \(byteCount)",
                hint: "the file is shorter than its own header says; fetch it again")
        }
        guard let base = buffer.baseAddress else { return }
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, base + done, buffer.count - done, off_t(offset + done))
            if count > 0 {
                done += count
            } else if count == 0 {
                throw FileError(path, at: "byte \(offset + done)", "the file has shrunk while it was read (it had \(byteCount) bytes)")
            } else if errno != EINTR {
                throw FileError(path, at: "byte \(offset + done)", "cannot be read: \(systemErrorText(errno))")
            }
        }
    }

    /// A copy of `count` bytes from `offset` on; bounds are checked before anything is allocated.
    package func bytes(atOffset offset: Int, count: Int) throws(FileError) -> [UInt8] {
        guard offset >= 0, count >= 0, offset <= byteCount, count <= byteCount - offset else {
            throw FileError(
                path, at: "byte \(offset)", "\(count) bytes are needed here, but the file has \(byteCount)",
                hint: "the file is shorter than its own header says; fetch it again")
        }
        return try [UInt8](count: count) { buffer throws(FileError) in try read(atOffset: offset, into: buffer) }
    }

    /// The whole file, refused where it is longer than `limit` bytes.
    package func allBytes(limit: Int) throws(FileError) -> [UInt8] {
        guard byteCount <= limit else { throw FileError(path, "is \(byteCount) bytes long, but at most \(limit) are read of such a file") }
        return try bytes(atOffset: 0, count: byteCount)
    }
}
