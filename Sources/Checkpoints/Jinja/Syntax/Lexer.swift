/// Cuts a template into tokens, with the white space rules of chat templates.
///
/// trim_blocks: one line end after `%}` and `#}` goes. lstrip_blocks: blanks before `{%` and `{#` go where nothing else
/// stands on the line. `-` inside a tag takes all white space on that side, `+` keeps what would go.
struct Lexer {
    private let source: SourceText
    private let bytes: [UInt8]
    private var position = 0
    private var tokens: [Token] = []
    /// Whether the text before `position` ends a line, and blanks that follow begin one.
    private var isAtLineStart = true

    private enum Tag { case block, output, comment }

    static func tokens(of source: SourceText) throws(TemplateError) -> [Token] {
        var lexer = Lexer(source)
        try lexer.readAll()
        return lexer.tokens
    }

    private init(_ source: SourceText) {
        self.source = source
        bytes = source.bytes
    }

    private mutating func readAll() throws(TemplateError) {
        while position < bytes.count {
            guard let (start, tag) = nextTag(from: position) else {
                append(.text, at: position, String(decoding: bytes[position...], as: UTF8.self))
                break
            }
            let sign = start + 2 < bytes.count ? bytes[start + 2] : 0
            let isSigned = sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+")
            let end = endOfText(before: start, tag: tag, sign: sign)
            if end > position { append(.text, at: position, String(decoding: bytes[position..<end], as: UTF8.self)) }
            position = start + (isSigned ? 3 : 2)
            switch tag {
            case .comment: try skipComment(from: start)
            case .block:
                if try readRaw(from: start) { continue }
                append(.blockBegin, at: start, "")
                try readTag(.block, from: start)
            case .output:
                append(.outputBegin, at: start, "")
                try readTag(.output, from: start)
            }
        }
        append(.end, at: bytes.count, "")
    }

    private mutating func append(_ kind: Token.Kind, at offset: Int, _ text: String) {
        tokens.append(Token(kind: kind, offset: offset, text: text))
    }

    private func byte(_ offset: Int) -> UInt8 { offset < bytes.count ? bytes[offset] : 0 }

    private func matches(_ text: StaticString, at offset: Int) -> Bool {
        let count = text.utf8CodeUnitCount
        return offset + count <= bytes.count && text.withUTF8Buffer { $0.elementsEqual(bytes[offset..<offset + count]) }
    }

    private func nextTag(from start: Int) -> (Int, Tag)? {
        var offset = start
        while offset + 1 < bytes.count {
            if bytes[offset] == UInt8(ascii: "{") {
                switch bytes[offset + 1] {
                case UInt8(ascii: "%"): return (offset, .block)
                case UInt8(ascii: "{"): return (offset, .output)
                case UInt8(ascii: "#"): return (offset, .comment)
                default: break
                }
            }
            offset += 1
        }
        return nil
    }

    /// Where the text that begins at `position` ends: at the tag, or before white space that goes.
    private func endOfText(before tag: Int, tag kind: Tag, sign: UInt8) -> Int {
        if sign == UInt8(ascii: "-") { return PythonText.trimmedEnd(of: bytes, in: position..<tag) }
        guard sign != UInt8(ascii: "+"), kind != .output else { return tag }
        let lineStart = bytes[position..<tag].lastIndex(of: 0x0a).map { $0 + 1 } ?? position
        guard lineStart > position || isAtLineStart else { return tag }
        return PythonText.trimmedEnd(of: bytes, in: lineStart..<tag) == lineStart ? lineStart : tag
    }

    /// If a tag ends here, with its sign, moves behind it and the white space that goes with it.
    private mutating func consumeEnd(_ end: StaticString, trimsLineEnd: Bool, allowsPlus: Bool) -> Bool {
        if bytes[position] == UInt8(ascii: "-"), matches(end, at: position + 1) {
            position = PythonText.trimmedStart(of: bytes, in: position + 3..<bytes.count)
        } else if allowsPlus, bytes[position] == UInt8(ascii: "+"), matches(end, at: position + 1) {
            position += 3
        } else if matches(end, at: position) {
            position += 2
            if trimsLineEnd, byte(position) == 0x0a, position < bytes.count { position += 1 }
        } else {
            return false
        }
        isAtLineStart = bytes[position - 1] == 0x0a
        return true
    }

    private mutating func skipComment(from start: Int) throws(TemplateError) {
        // A sign belongs to the comment's begin only where it is not its end: {#-#}.
        while position < bytes.count {
            if consumeEnd("#}", trimsLineEnd: true, allowsPlus: true) { return }
            position += 1
        }
        throw source.error(.syntax, at: start, "the comment that begins here does not end")
    }

    /// `{% raw %}`: everything up to `{% endraw %}` is text.
    private mutating func readRaw(from start: Int) throws(TemplateError) -> Bool {
        var cursor = PythonText.trimmedStart(of: bytes, in: position..<bytes.count)
        guard matches("raw", at: cursor) else { return false }
        cursor = PythonText.trimmedStart(of: bytes, in: cursor + 3..<bytes.count)
        if matches("-%}", at: cursor) {
            cursor = PythonText.trimmedStart(of: bytes, in: cursor + 3..<bytes.count)
        } else if matches("%}", at: cursor) {
            cursor += 2
        } else {
            return false
        }
        isAtLineStart = bytes[cursor - 1] == 0x0a
        position = cursor
        while let (tag, kind) = nextTag(from: cursor) {
            let sign = byte(tag + 2)
            let isSigned = sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+")
            let word = PythonText.trimmedStart(of: bytes, in: tag + (isSigned ? 3 : 2)..<bytes.count)
            if kind == .block, matches("endraw", at: word) {
                let textStart = position
                let textEnd = endOfText(before: tag, tag: .block, sign: sign)
                position = PythonText.trimmedStart(of: bytes, in: word + 6..<bytes.count)
                if position < bytes.count, consumeEnd("%}", trimsLineEnd: true, allowsPlus: true) {
                    if textEnd > textStart { append(.text, at: textStart, String(decoding: bytes[textStart..<textEnd], as: UTF8.self)) }
                    return true
                }
                position = textStart
            }
            cursor = tag + 1
        }
        throw source.error(.syntax, at: start, "the raw text that begins here has no {% endraw %}")
    }

    /// What stands inside a tag. Its end counts only outside of brackets: `{{ {'a': {}} }}`.
    private mutating func readTag(_ tag: Tag, from start: Int) throws(TemplateError) {
        var closing: [UInt8] = []
        while position < bytes.count {
            if closing.isEmpty {
                if tag == .block, consumeEnd("%}", trimsLineEnd: true, allowsPlus: true) {
                    append(.blockEnd, at: position, "")
                    return
                }
                if tag == .output, consumeEnd("}}", trimsLineEnd: false, allowsPlus: false) {
                    append(.outputEnd, at: position, "")
                    return
                }
            }
            let blankEnd = PythonText.trimmedStart(of: bytes, in: position..<bytes.count)
            if blankEnd > position {
                position = blankEnd
                continue
            }
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): try readNumber()
            case UInt8(ascii: "'"), UInt8(ascii: "\""): try readString(quote: byte)
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"), 0x80...: try readName()
            default: try readSymbol(&closing)
            }
        }
        throw source.error(.syntax, at: start, "the tag that begins here does not end")
    }

    private mutating func readSymbol(_ closing: inout [UInt8]) throws(TemplateError) {
        let start = position
        for symbol in ["**", "//", "==", "!=", ">=", "<="] as [StaticString] where matches(symbol, at: start) {
            append(.symbol, at: start, "\(symbol)")
            position += 2
            return
        }
        let byte = bytes[start]
        switch byte {
        case UInt8(ascii: "("): closing.append(UInt8(ascii: ")"))
        case UInt8(ascii: "["): closing.append(UInt8(ascii: "]"))
        case UInt8(ascii: "{"): closing.append(UInt8(ascii: "}"))
        case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"):
            guard closing.popLast() == byte else {
                throw source.error(.syntax, at: start, "'\(Character(Unicode.Scalar(byte)))' closes nothing here")
            }
        default:
            guard "+-/*%~<>=.:|,;".utf8.contains(byte) else {
                let shown = (0x20...0x7e).contains(byte) ? "'\(Character(Unicode.Scalar(byte)))'" : "byte \(byte)"
                throw source.error(.syntax, at: start, "\(shown) has no meaning here")
            }
        }
        append(.symbol, at: start, String(Character(Unicode.Scalar(byte))))
        position += 1
    }

    private mutating func readName() throws(TemplateError) {
        let start = position
        while position < bytes.count {
            if bytes[position] < 0x80 {
                guard PythonText.isNameByte(bytes[position]) else { break }
                position += 1
                continue
            }
            let (scalar, count) = PythonText.scalar(in: bytes, at: position)
            if PythonText.isSpace(scalar) { break }
            let isAllowed =
                position == start ? scalar.properties.isXIDStart || scalar == "_" : scalar.properties.isXIDContinue
            guard isAllowed else { throw source.error(.syntax, at: position, "this character cannot stand in a name") }
            position += count
        }
        append(.name, at: start, String(decoding: bytes[start..<position], as: UTF8.self))
    }

    // MARK: - Numbers

    /// Digits with single underscores between them; moves the cursor behind them.
    private func skipDigits(_ cursor: inout Int, where isDigit: (UInt8) -> Bool) -> Bool {
        let start = cursor
        while cursor < bytes.count,
            isDigit(bytes[cursor]) || (bytes[cursor] == UInt8(ascii: "_") && cursor > start && isDigit(byte(cursor + 1)))
        {
            cursor += 1
        }
        return cursor > start
    }

    private mutating func readNumber() throws(TemplateError) {
        let start = position
        func isDecimal(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        if bytes[start] == UInt8(ascii: "0"), let radix = PythonText.radix(ofPrefix: byte(start + 1)) {
            var cursor = start + 2
            if byte(cursor) == UInt8(ascii: "_") { cursor += 1 }
            if skipDigits(&cursor, where: { PythonText.digit($0).map { $0 < radix } ?? false }) {
                position = cursor
                append(.integer, at: start, String(decoding: bytes[start..<cursor].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self))
                return
            }
        }
        var end = start
        _ = skipDigits(&end, where: isDecimal)
        var floatEnd: Int?
        var cursor = end
        let followsDot = start > 0 && bytes[start - 1] == UInt8(ascii: ".")
        if !followsDot {
            if byte(cursor) == UInt8(ascii: ".") {
                cursor += 1
                if skipDigits(&cursor, where: isDecimal) { floatEnd = cursor } else { cursor = end }
            }
            if byte(cursor) | 0x20 == UInt8(ascii: "e") {
                cursor += 1
                if byte(cursor) == UInt8(ascii: "+") || byte(cursor) == UInt8(ascii: "-") { cursor += 1 }
                if skipDigits(&cursor, where: isDecimal) { floatEnd = cursor }
            }
        }
        if floatEnd == nil, bytes[start] == UInt8(ascii: "0") {
            // 012 is 0 and then 12, which the parser refuses.
            end = start
            _ = skipDigits(&end, where: { $0 == UInt8(ascii: "0") })
        }
        let digits = bytes[start..<(floatEnd ?? end)].filter { $0 != UInt8(ascii: "_") }
        append(floatEnd == nil ? .integer : .float, at: start, String(decoding: digits, as: UTF8.self))
        position = floatEnd ?? end
    }

    // MARK: - Strings

    private mutating func readString(quote: UInt8) throws(TemplateError) {
        let start = position
        var text: [UInt8] = []
        position += 1
        while position < bytes.count {
            let byte = bytes[position]
            if byte == quote {
                position += 1
                append(.string, at: start, String(decoding: text, as: UTF8.self))
                return
            }
            if byte == UInt8(ascii: "\\") {
                try readEscape(into: &text)
            } else {
                text.append(byte)
                position += 1
            }
        }
        throw source.error(.syntax, at: start, "the string that begins here does not end")
    }

    /// Python's escapes; a backslash before anything else stands for itself.
    private mutating func readEscape(into text: inout [UInt8]) throws(TemplateError) {
        let start = position
        guard start + 1 < bytes.count else { throw source.error(.syntax, at: start, "the template ends inside an escape") }
        position += 2
        switch bytes[start + 1] {
        case 0x0a: break
        case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): text.append(bytes[start + 1])
        case UInt8(ascii: "a"): text.append(0x07)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "v"): text.append(0x0b)
        case UInt8(ascii: "x"): try appendScalar(digitCount: 2, escape: start, to: &text)
        case UInt8(ascii: "u"): try appendScalar(digitCount: 4, escape: start, to: &text)
        case UInt8(ascii: "U"): try appendScalar(digitCount: 8, escape: start, to: &text)
        case UInt8(ascii: "N"): throw source.error(.unsupported, at: start, "characters by name (\\N) are not supported")
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            var value: UInt32 = 0
            position = start + 1
            while position < start + 4, (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(byte(position)) {
                value = value * 8 + UInt32(bytes[position] - UInt8(ascii: "0"))
                position += 1
            }
            if let scalar = Unicode.Scalar(value) { text.append(contentsOf: UTF8.encode(scalar) ?? .init()) }
        default:
            text.append(UInt8(ascii: "\\"))
            position = start + 1
        }
    }

    private mutating func appendScalar(digitCount: Int, escape start: Int, to text: inout [UInt8]) throws(TemplateError) {
        var value: UInt64 = 0
        for _ in 0..<digitCount {
            guard let digit = PythonText.digit(byte(position)), digit < 16 else {
                throw source.error(.syntax, at: start, "\(digitCount) hexadecimal digits are expected after this")
            }
            value = value << 4 | UInt64(digit)
            position += 1
        }
        guard let scalar = UInt32(exactly: value).flatMap(Unicode.Scalar.init) else {
            throw source.error(.unsupported, at: start, "U+\(String(value, radix: 16)) is no character")
        }
        text.append(contentsOf: UTF8.encode(scalar) ?? .init())
    }
}
