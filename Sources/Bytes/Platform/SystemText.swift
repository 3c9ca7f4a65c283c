/// Files in which Linux tells of itself: they have no length until they are read.
package enum SystemText {
    /// The first `limit` bytes; nil where there is no such file, or nothing in it.
    package static func contents(of path: String, limit: Int = 8192) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: limit), done = 0
        while done < limit {
            let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress.map { $0 + done }, limit - done) }
            if count > 0 {
                done += count
            } else if count == 0 || errno != EINTR {
                break
            }
        }
        return done > 0 ? String(decoding: bytes.prefix(done), as: UTF8.self) : nil
    }
}
