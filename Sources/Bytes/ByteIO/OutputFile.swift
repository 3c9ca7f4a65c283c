import Platform
import Synchronization

/// A file being written at any offset, from any thread; its length is what was written.
package final class OutputFile: Sendable {
    /// The final name, for messages; the unfinished file has another.
    package let path: String
    let descriptor: Int32
    /// Held while bytes are handed over. File systems let one writer into a file at a time, and Linux has the others spin
    /// meanwhile: that would take the processor from those that read and compute.
    private let turn = Mutex(())
    /// Bytes written since the system was last told to begin bringing them to disk.
    private let lingeringByteCount = Atomic<Int>(0)

    private static let lingeringLimit = 32 << 20

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// Writes all of `buffer` at `offset`.
    package func write(_ buffer: UnsafeRawBufferPointer, atOffset offset: Int) throws(FileError) {
        guard let base = buffer.baseAddress else { return }
        let failure = turn.withLock { _ -> (place: Int, code: Int32)? in
            var done = 0
            while done < buffer.count {
                let count = pwrite(descriptor, base + done, buffer.count - done, off_t(offset + done))
                if count >= 0 {
                    done += count
                } else if errno != EINTR {
                    return (offset + done, errno)
                }
            }
            return nil
        }
        if let failure { throw FileError(path, at: "byte \(failure.place)", "cannot be written: \(systemErrorText(failure.code))") }
        beginWriteback(after: buffer.count)
    }

    package func write(_ bytes: [UInt8], atOffset offset: Int) throws(FileError) {
        try bytes.withBytes { buffer throws(FileError) in try write(buffer, atOffset: offset) }
    }

    /// Fills `buffer` with what was written at `offset`; a part that was not written yet is an error or zeros.
    package func read(atOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        guard let base = buffer.baseAddress else { return }
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, base + done, buffer.count - done, off_t(offset + done))
            if count > 0 {
                done += count
            } else if count == 0 {
                throw FileError(path, at: "byte \(offset + done)", "cannot be read back: it was not written")
            } else if errno != EINTR {
                throw FileError(path, at: "byte \(offset + done)", "cannot be read back: \(systemErrorText(errno))")
            }
        }
    }

    /// Reserves `byteCount` bytes of disk, so that a full disk is an error now and not after the work.
    ///
    /// Not `posix_fallocate`: where the file system cannot reserve, that one writes into every block instead.
    package func reserve(byteCount: Int) throws(FileError) {
        guard byteCount > 0 else { return }
        while true {
            let code = reserveDisk(descriptor, byteCount: byteCount)
            switch code {
            case 0: return
            case EINTR: continue
            case EFBIG:
                throw FileError(
                    path, "\(byteCount) bytes are needed, but the file system or a limit (ulimit -f) allows fewer in one file",
                    hint: "choose a folder on another file system, or lift the limit")
            case ENOSPC, EDQUOT: throw FileError(path, "\(byteCount) bytes are needed, but \(systemErrorText(code))")
            default: return  // File systems without the call are written to all the same.
            }
        }
    }

    /// Has the disk work while we do, so that little is left to wait for in `synchronize`.
    private func beginWriteback(after byteCount: Int) {
        let lingering = lingeringByteCount.add(byteCount, ordering: .relaxed).newValue
        guard lingering >= Self.lingeringLimit else { return }
        lingeringByteCount.store(0, ordering: .relaxed)
        Platform.beginWriteback(descriptor)
    }

    /// Returns when all bytes have reached the disk.
    func synchronize() throws(FileError) {
        let code = bringToDisk(descriptor)
        guard code == 0 else { throw FileError(path, "cannot be written to disk: \(systemErrorText(code))") }
    }
}
