#if !canImport(Darwin)
    import CSystem
#endif

/// Reserves disk for the first `byteCount` bytes of an open file and makes it at least that long.
///
/// Nothing is written, so this takes no time; where the file system cannot, it says so and the file is as it was.
///
/// - Returns: 0, or an `errno`.
package func reserveDisk(_ descriptor: Int32, byteCount: Int) -> Int32 {
    #if canImport(Darwin)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return errno }
        // Reserved is what comes after the blocks that the file has.
        let missing = off_t(byteCount) - off_t(status.st_blocks) * 512
        if missing > 0 {
            var wish = fstore_t(
                fst_flags: UInt32(F_ALLOCATEALL), fst_posmode: F_PEOFPOSMODE, fst_offset: 0, fst_length: missing, fst_bytesalloc: 0)
            guard fcntl(descriptor, F_PREALLOCATE, &wish) != -1 else { return errno }
        }
        return status.st_size >= off_t(byteCount) || ftruncate(descriptor, off_t(byteCount)) == 0 ? 0 : errno
    #else
        fallocate(descriptor, 0, 0, byteCount) == 0 ? 0 : errno
    #endif
}

/// Has the system begin to bring to disk what was written to a file, without waiting for it. Nothing depends on whether it does.
package func beginWriteback(_ descriptor: Int32) {
    #if !canImport(Darwin)
        _ = sync_file_range(descriptor, 0, 0, 2)  // SYNC_FILE_RANGE_WRITE; no length means to the end
    #endif
}

/// Returns when a file's bytes are on the disk.
///
/// - Returns: 0, or an `errno`.
package func bringToDisk(_ descriptor: Int32) -> Int32 {
    #if canImport(Darwin)
        // There `fsync` leaves them in the cache of the drive. Network file systems know nothing else, though.
        if fcntl(descriptor, F_FULLFSYNC) != -1 { return 0 }
    #endif
    return fsync(descriptor) == 0 ? 0 : errno
}

/// Copies bytes from file to file within the system; file systems that share blocks copy nothing.
///
/// - Returns: the bytes copied, which may be fewer; 0 at the end of the input; -1 with an `errno`, always on Darwin, which copies
///   whole files only.
package func copyWithinSystem(_ input: Int32, at inputOffset: Int, to output: Int32, at outputOffset: Int, byteCount: Int) -> Int {
    #if canImport(Darwin)
        errno = ENOTSUP
        return -1
    #else
        var from = inputOffset, to = outputOffset
        return copy_file_range(input, &from, output, &to, UInt(byteCount), 0)
    #endif
}

extension stat {
    /// Of the bytes, not of name or rights.
    package var modificationTime: timespec {
        #if canImport(Darwin)
            st_mtimespec
        #else
            st_mtim
        #endif
    }
}
