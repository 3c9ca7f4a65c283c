import Platform

/// A folder to write inputs to.
struct Folder: Sendable {
    let path: String

    /// A folder at a given path; made where there is none.
    init(path: String) {
        self.path = path
        mkdir(path, 0o777)
    }

    /// A new folder in memory, which whoever set FUZZ_SCRATCH removes.
    static func temporary() -> Folder {
        let parent = getenv("FUZZ_SCRATCH").map { String(cString: $0) } ?? "/dev/shm"
        var template = Array("\(parent)/fuzz-XXXXXX".utf8CString)
        guard let path = mkdtemp(&template) else { fatalError("no folder can be made in \(parent)") }
        return Folder(path: String(cString: path))
    }

    func path(_ name: String) -> String { "\(path)/\(name)" }

    func write(_ bytes: [UInt8], to name: String) {
        let descriptor = open(path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { fatalError("\(path(name)) cannot be written") }
        defer { close(descriptor) }
        guard Platform.write(descriptor, bytes, bytes.count) == bytes.count else { fatalError("\(path(name)) cannot be written") }
    }

    func remove(_ name: String) {
        unlink(path(name))
    }
}
