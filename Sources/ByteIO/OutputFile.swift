import CSystem
import Glibc

/// A file being written at any offset, from any thread; its length is what was written.
package final class OutputFile: Sendable {
    /// The final name, for messages; the unfinished file has another.
    package let path: String
    private let descriptor: Int32

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// Writes all of `buffer` at `offset`.
    package func write(_ buffer: UnsafeRawBufferPointer, atOffset offset: Int) throws(FileError) {
        guard let base = buffer.baseAddress else { return }
        var done = 0
        while done < buffer.count {
            let count = pwrite(descriptor, base + done, buffer.count - done, off_t(offset + done))
            if count >= 0 {
                done += count
            } else if errno != EINTR {
                throw FileError(path, at: "byte \(offset + done)", "cannot be written: \(systemErrorText(errno))")
            }
        }
    }

    package func write(_ bytes: [UInt8], atOffset offset: Int) throws(FileError) {
        var failure: FileError?
        bytes.withUnsafeBytes { buffer in
            do throws(FileError) { try write(buffer, atOffset: offset) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Reserves `byteCount` bytes of disk, so that a full disk is an error now and not after the work.
    ///
    /// Not `posix_fallocate`: where the file system cannot reserve, that one writes into every block instead.
    package func reserve(byteCount: Int) throws(FileError) {
        guard byteCount > 0 else { return }
        while fallocate(descriptor, 0, 0, byteCount) != 0 {
            switch errno {
            case EINTR: continue
            case ENOSPC, EFBIG, EDQUOT: throw FileError(path, "\(byteCount) bytes are needed, but \(systemErrorText(errno))")
            default: return  // File systems without the call are written to all the same.
            }
        }
    }

    /// Returns when all bytes have reached the disk.
    func synchronize() throws(FileError) {
        guard fsync(descriptor) == 0 else { throw FileError(path, "cannot be written to disk: \(systemErrorText(errno))") }
    }
}
