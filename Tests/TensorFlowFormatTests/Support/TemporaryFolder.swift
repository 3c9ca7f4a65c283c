import Glibc

/// A folder of a test's own, removed with what was put into it.
final class TemporaryFolder {
    let path: String
    private var made: [String] = []

    init() throws {
        var template = Array("/tmp/tensorflow-format-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SupportError("mkdtemp failed with \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for path in made.reversed() + [path] { Glibc.remove(path) }
    }

    func path(_ name: String) -> String { "\(path)/\(name)" }

    func write(_ bytes: [UInt8], to name: String) throws {
        // A file made anew need not be on the disk; file systems flush one that is truncated and written again.
        Glibc.remove(path(name))
        guard let file = fopen(path(name), "wb") else { throw SupportError("\(name) cannot be written: \(errno)") }
        defer { fclose(file) }
        made.append(path(name))
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw SupportError("\(name): short write") }
    }

    func makeFolder(_ name: String) throws {
        guard mkdir(path(name), 0o755) == 0 else { throw SupportError("\(name) cannot be made: \(errno)") }
        made.append(path(name))
    }

    func remove(_ name: String) {
        Glibc.remove(path(name))
    }
}

struct SupportError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
