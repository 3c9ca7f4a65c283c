package import ByteIO
import Platform

/// Floats outside of Swift's arrays: zero at first, aligned to pages, shared by kernels on all threads.
///
/// Backed by the system's memory, or by an unlinked file in a folder, which the system may write out when memory gets
/// short and read back when it is touched: what paged optimizers are on a GPU.
///
/// Whoever hands ranges to several threads sees to it that they do not overlap.
package final class FloatMemory: @unchecked Sendable {
    package let count: Int
    package let pointer: UnsafeMutablePointer<Float>
    private let byteCount: Int

    /// - Parameter folder: where the file is; nil for memory without one.
    /// - Throws: where there is no room.
    package init(count: Int, pagedIn folder: String? = nil) throws(FileError) {
        self.count = count
        byteCount = max(1, count) * MemoryLayout<Float>.stride
        var descriptor: Int32 = -1
        if let folder { descriptor = try Self.openFile(in: folder, byteCount: byteCount) }
        let flags = descriptor >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        let address = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, descriptor, 0)
        let code = errno
        if descriptor >= 0 { close(descriptor) }
        guard let address, address != MAP_FAILED else {
            throw FileError(folder ?? "memory", "\(byteCount) bytes cannot be mapped: \(String(cString: strerror(code)))")
        }
        pointer = address.bindMemory(to: Float.self, capacity: max(1, count))
    }

    deinit { munmap(pointer, byteCount) }

    package var buffer: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: pointer, count: count) }

    /// All bytes, for reading and writing files.
    package var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(buffer) }

    /// Without its room on disk, the first touch of a page could end the process.
    private static func openFile(in folder: String, byteCount: Int) throws(FileError) -> Int32 {
        var template = Array("\(folder)/.moments-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw FileError(folder, "no file can be created here: \(String(cString: strerror(errno)))") }
        unlink(template)
        let code = ftruncate(descriptor, off_t(byteCount)) == 0 ? reserveDisk(descriptor, byteCount: byteCount) : errno
        guard code == 0 else {
            let reason = String(cString: strerror(code))
            close(descriptor)
            throw FileError(folder, "\(byteCount) bytes for paged moments cannot be reserved here: \(reason)")
        }
        return descriptor
    }
}
