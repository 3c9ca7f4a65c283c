/// The text of a template as the lexer reads it: line ends are LF, and one line end at the very end is gone.
struct SourceText: Sendable {
    let bytes: [UInt8]

    init(_ text: String) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var previousWasReturn = false
        for byte in text.utf8 {
            switch byte {
            case 0x0d: bytes.append(0x0a)
            case 0x0a where previousWasReturn: break
            default: bytes.append(byte)
            }
            previousWasReturn = byte == 0x0d
        }
        if bytes.last == 0x0a { bytes.removeLast() }
        self.bytes = bytes
    }

    func error(_ kind: TemplateError.Kind, at offset: Int, _ message: String) -> TemplateError {
        var line = 1
        var column = 1
        for byte in bytes.prefix(offset) {
            if byte == 0x0a {
                line += 1
                column = 1
            } else if byte & 0xc0 != 0x80 {
                column += 1
            }
        }
        return TemplateError(kind: kind, line: line, column: column, message: message)
    }
}
