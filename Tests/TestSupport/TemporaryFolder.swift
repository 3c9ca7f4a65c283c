package import ByteIO
import Glibc

/// A folder of a test's own, removed with everything in it.
package final class TemporaryFolder: Sendable {
    package let path: String

    /// In the folder that `TMPDIR` names, or `/tmp`.
    package init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/qnf-tests-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SupportError("no folder can be made in \(parent): \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    package func path(_ name: String) -> String { "\(path)/\(name)" }

    /// Everything in the folder, or in one of its own, names that begin with a dot included; sorted.
    package func names(_ folder: String? = nil) throws -> [String] { try FilePath.entries(of: folder.map(path) ?? path) }

    @discardableResult package func write(_ bytes: [UInt8], to name: String) throws -> String {
        // A file made anew need not be on the disk; file systems flush one that is truncated and written again.
        unlink(path(name))
        guard let file = fopen(path(name), "wb") else { throw SupportError("\(name) cannot be written: \(errno)") }
        defer { fclose(file) }
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw SupportError("\(name): short write") }
        return path(name)
    }

    @discardableResult package func write(_ text: String, to name: String) throws -> String { try write(Array(text.utf8), to: name) }

    package func bytes(_ name: String) throws -> [UInt8] { try Fixture.bytes(path(name)) }

    package func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

    @discardableResult package func makeFolder(_ name: String) throws -> String {
        guard mkdir(path(name), 0o755) == 0 else { throw SupportError("\(name) cannot be made: \(errno)") }
        return path(name)
    }

    @discardableResult package func link(_ name: String, to target: String) throws -> String {
        guard symlink(target, path(name)) == 0 else { throw SupportError("\(name) cannot be linked: \(errno)") }
        return path(name)
    }

    /// Copies a file into the folder, under its own name or another.
    package func copy(_ source: String, as name: String? = nil) throws {
        try write(try Fixture.bytes(source), to: name ?? FilePath.name(of: source))
    }

    package func remove(_ name: String) { Self.remove(path(name)) }

    /// What an error says, with the path of the folder left out, and the hint on a line of its own.
    package func report(_ error: FileError) -> String {
        error.report.split(separator: "\(path)/", omittingEmptySubsequences: false).joined()
    }

    private static func remove(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in (try? FilePath.entries(of: path)) ?? [] { remove("\(path)/\(name)") }
        }
        Glibc.remove(path)
    }
}

extension FileError {
    /// All that is said, the hint on a line of its own.
    package var report: String { hint.map { "\(self)\nhint: \($0)" } ?? description }
}

package struct SupportError: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
