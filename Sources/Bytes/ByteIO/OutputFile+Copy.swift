import Platform

extension OutputFile {
    /// Bytes at a time: so many that calls do not count, so few that a copy can be told of.
    package static let copyPieceByteCount = 64 << 20

    /// Copies bytes of another file to `offset` of this one.
    ///
    /// The system does it where it can, without the bytes passing through this process: file systems that share blocks copy nothing.
    package func copy(_ range: Range<Int>, of input: InputFile, toOffset offset: Int) throws(FileError) {
        guard range.lowerBound >= 0, range.upperBound <= input.byteCount else {
            throw FileError(
                input.path, at: "byte \(range.lowerBound)", "\(range.count) bytes are needed here, but the file has \(input.byteCount)")
        }
        var done = 0
        while done < range.count {
            let count = copyWithinSystem(
                input.descriptor, at: range.lowerBound + done, to: descriptor, at: offset + done, byteCount: range.count - done)
            if count > 0 {
                done += count
            } else if count == 0 {
                throw FileError(
                    input.path, at: "byte \(range.lowerBound + done)",
                    "the file has shrunk while it was read (it had \(input.byteCount) bytes)")
            } else if [ENOSPC, EDQUOT, EFBIG].contains(errno) {
                throw FileError(path, at: "byte \(offset + done)", "cannot be written: \(systemErrorText(errno))")
            } else if errno != EINTR {
                // Two file systems, or one that cannot. Where reading fails, it fails again, and says so.
                return try copyThroughMemory(range.lowerBound + done..<range.upperBound, of: input, toOffset: offset + done)
            }
        }
    }

    /// The same by reading and writing.
    func copyThroughMemory(_ range: Range<Int>, of input: InputFile, toOffset offset: Int) throws(FileError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: min(range.count, 4 << 20), alignment: 64)
        defer { buffer.deallocate() }
        var done = 0
        while done < range.count {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, range.count - done)])
            try input.read(atOffset: range.lowerBound + done, into: piece)
            try write(UnsafeRawBufferPointer(piece), atOffset: offset + done)
            done += piece.count
        }
    }
}
