import ByteIO
import Glibc
import Testing

/// A folder of a test's own, removed with everything in it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/byteio-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    func path(_ name: String) -> String { "\(path)/\(name)" }

    @discardableResult func write(_ text: String, to name: String) throws -> String {
        let file = try #require(fopen(path(name), "wb"))
        defer { fclose(file) }
        try #require(fwrite(text, 1, text.utf8.count, file) == text.utf8.count)
        return path(name)
    }

    @discardableResult func makeFolder(_ name: String) throws -> String {
        try #require(mkdir(path(name), 0o755) == 0)
        return path(name)
    }

    @discardableResult func link(_ name: String, to target: String) throws -> String {
        try #require(symlink(target, path(name)) == 0)
        return path(name)
    }

    func text(_ name: String) throws -> String {
        String(decoding: try InputFile(path: path(name)).allBytes(limit: 1 << 20), as: UTF8.self)
    }

    /// Everything in the folder, hidden files too.
    func names(_ folder: String? = nil) throws -> [String] { try FilePath.entries(of: folder.map(path) ?? path) }

    private static func remove(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in (try? FilePath.entries(of: path)) ?? [] { remove("\(path)/\(name)") }
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}

/// What the error of a failing call says, with the folder's own path left out, and the hint on a line of its own.
func report(in folder: TemporaryFolder? = nil, _ body: () throws -> Void) -> String? {
    do { try body() } catch let error as FileError {
        let text = error.hint.map { "\(error)\nhint: \($0)" } ?? "\(error)"
        guard let folder else { return text }
        return text.split(separator: "\(folder.path)/", omittingEmptySubsequences: false).joined()
    } catch { return "another error: \(error)" }
    return nil
}
