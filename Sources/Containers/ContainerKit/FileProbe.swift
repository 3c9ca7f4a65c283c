package import ByteIO

/// What a file is told by: its first and its last bytes, read once, and never its name.
package struct FileProbe: Sendable {
    package let file: InputFile
    /// The first 512 bytes, or all of a shorter file.
    package let head: [UInt8]
    /// The last 8 bytes, or all of a shorter file.
    package let tail: [UInt8]

    package init(_ file: InputFile) throws(FileError) {
        self.file = file
        head = try file.bytes(atOffset: 0, count: min(file.byteCount, 512))
        let tailByteCount = min(file.byteCount, 8)
        tail = try file.bytes(atOffset: file.byteCount - tailByteCount, count: tailByteCount)
    }

    package init(path: String) throws(FileError) { try self.init(try InputFile(path: path)) }

    package func begins(with text: String) -> Bool { head.starts(with: text.utf8) }

    package func begins(with bytes: [UInt8]) -> Bool { head.starts(with: bytes) }

    /// The first characters that are no spaces and no controls, in lower case.
    package var visibleText: String { String(decoding: head.drop { $0 <= 0x20 }.prefix(64), as: UTF8.self).lowercased() }
}
