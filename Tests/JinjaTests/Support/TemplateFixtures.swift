import ByteIO
import Glibc
import JSONText
import Jinja

/// Files of templates and of what the reference makes of them.
enum TemplateFixtures {
    /// `Tests/Fixtures/jinja`
    static let root: String = {
        let parts = #filePath.split(separator: "/").dropLast(3)
        return "/" + parts.joined(separator: "/") + "/Fixtures/jinja"
    }()

    /// Chat templates of others, which are not part of the project, where the environment names a folder that has them.
    static let external: String? = {
        guard let data = getenv("QNF_DATA").map({ String(cString: $0) + "/chat-templates" }) else { return nil }
        return FilePath.kind(of: data + "/vectors") == .folder ? data : nil
    }()

    static func json(_ path: String) throws -> JSONValue { try JSONValue(parsing: bytes(path)) }

    static func bytes(_ path: String) throws -> [UInt8] { try InputFile(path: path).allBytes(limit: 64 << 20) }

    static func text(_ path: String) throws -> String { String(decoding: try bytes(path), as: UTF8.self) }

    /// Monday, 5 January 2026, 9:07:03.
    static let clock = TemplateClock(year: 2026, month: 1, day: 5, hour: 9, minute: 7, second: 3) ?? .now
}
