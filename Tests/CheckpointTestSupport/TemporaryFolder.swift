import ByteIO
import Glibc

/// A folder of a test's own, removed with everything in it.
package final class TemporaryFolder: Sendable {
    package let path: String

    package init() throws {
        var template = Array("/tmp/qnf-tests-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SupportError("mkdtemp failed with \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    package func path(_ name: String) -> String { "\(path)/\(name)" }

    /// Everything in the folder, names that begin with a dot included.
    package func names() throws -> [String] { try FilePath.entries(of: path) }

    package func write(_ bytes: [UInt8], to name: String) throws {
        guard let file = fopen(path(name), "wb") else { throw SupportError("\(name) cannot be written: \(errno)") }
        defer { fclose(file) }
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw SupportError("\(name): short write") }
    }

    package func write(_ text: String, to name: String) throws { try write(Array(text.utf8), to: name) }

    package func bytes(_ name: String) throws -> [UInt8] { try InputFile(path: path(name)).allBytes(limit: 1 << 26) }

    package func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

    package func makeFolder(_ name: String) throws {
        guard mkdir(path(name), 0o755) == 0 else { throw SupportError("\(name) cannot be made: \(errno)") }
    }

    /// Copies a file into the folder, under its own name or another.
    package func copy(_ source: String, as name: String? = nil) throws {
        try write(try InputFile(path: source).allBytes(limit: 1 << 26), to: name ?? FilePath.name(of: source))
    }

    package func remove(_ name: String) { Self.remove(path(name)) }

    private static func remove(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in (try? FilePath.entries(of: path)) ?? [] { remove("\(path)/\(name)") }
        }
        Glibc.remove(path)
    }
}

package struct SupportError: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
