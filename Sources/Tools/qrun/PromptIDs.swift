import ByteIO
import CommandLineKit
import Tokenization

/// The value of `--prompt-ids`: ids with commas between, or `@FILE`, where they may also have white space between.
enum PromptIDs {
    /// More than any context has tokens, at ten digits each.
    private static let byteCountLimit = 16 << 20

    static func ids(_ text: String) throws -> [TokenID] {
        guard text.utf8.first == UInt8(ascii: "@") else {
            return try ids(of: text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)) { _ in
                UsageError("--prompt-ids: '\(text)' is no list of token ids like 1,15043,29892")
            }
        }
        let path = String(decoding: text.utf8.dropFirst(), as: UTF8.self)
        guard !path.isEmpty else { throw UsageError("--prompt-ids: '@' names no file") }
        let bytes = try InputFile(path: path).allBytes(limit: byteCountLimit)
        let parts = bytes.split { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: " ") || (0x9...0xd).contains($0) }
        let ids = try ids(of: parts) { part in
            FileError(path, "holds '\(part.terminalSafe)', which is no token id", hint: "ids stand one after another, as in 1,15043,29892")
        }
        guard !ids.isEmpty else { throw FileError(path, "holds no token ids") }
        return ids
    }

    private static func ids(of parts: [some Collection<UInt8>], refused: (_ part: String) -> any Error) throws -> [TokenID] {
        try parts.map { part in
            let shown = String(decoding: part.prefix(40), as: UTF8.self)
            guard let id = TokenID(shown.drop { $0 == " " }) else { throw refused(shown) }
            return id
        }
    }
}
