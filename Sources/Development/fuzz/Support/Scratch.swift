import Platform

/// A file in memory that has a path, rewritten for each input. Faster than one in a folder, which has to be looked up.
final class Scratch: Sendable {
    private let descriptor: Int32
    private let path: String

    init() {
        let folder = Folder.temporary()
        descriptor = open(folder.path("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { fatalError("\(folder.path("file")) cannot be written") }
        // Without a name it goes away by itself; this path is of the open file.
        folder.remove("file")
        path = "/proc/self/fd/\(descriptor)"
    }

    /// The path of a file that holds these bytes, until the next call.
    func file(_ bytes: [UInt8]) -> String {
        guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, bytes, bytes.count, 0) == bytes.count else {
            fatalError("a file in memory cannot be written")
        }
        return path
    }
}
