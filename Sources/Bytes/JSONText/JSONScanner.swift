/// Walks through JSON text value by value, without building anything that is not asked for.
///
/// Strict (RFC 8259): UTF-8 only, no comments, no trailing commas, no lone surrogates. A header of 100 MB is walked in
/// one pass; `JSONValue` is built on top of it for everything small.
///
///     try scanner.readObject { scanner, key, offset in ... read exactly one value ... }
package struct JSONScanner: Sendable {
    /// What the next value is, told from its first byte.
    package enum Kind: Sendable, Hashable {
        case null, bool, number, string, array, object

        package var name: String {
            switch self {
            case .null: "null"
            case .bool: "a boolean"
            case .number: "a number"
            case .string: "a string"
            case .array: "an array"
            case .object: "an object"
            }
        }
    }

    /// Arrays and objects inside each other; deeper text is refused instead of exhausting the stack.
    package static let depthLimit = 128

    private let bytes: [UInt8]
    /// Whether `NaN`, `Infinity` and `-Infinity` are numbers, as Python's json writes and reads them.
    private let takesPythonNumbers: Bool
    private var position = 0
    private var depth = 0

    package init(_ bytes: [UInt8], takesPythonNumbers: Bool = false) {
        self.bytes = bytes
        self.takesPythonNumbers = takesPythonNumbers
    }

    /// Offset of the next byte to be read.
    package var offset: Int { position }

    /// The kind of the next value; nothing is consumed but white space.
    package mutating func peekKind() throws(JSONError) -> Kind {
        skipWhitespace()
        guard position < bytes.count else { throw JSONError(offset: position, "the text ends where a value should be") }
        switch bytes[position] {
        case UInt8(ascii: "n"): return .null
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "N"), UInt8(ascii: "I"):
            guard pythonNumber() != nil else { throw unexpected("a value") }
            return .number
        default: throw unexpected("a value")
        }
    }

    /// Refuses anything but white space after the last value.
    package mutating func expectEnd() throws(JSONError) {
        skipWhitespace()
        guard position == bytes.count else { throw unexpected("the end of the text") }
    }

    /// Calls `member` with each key and the key's offset; `member` must read exactly one value.
    package mutating func readObject(
        _ member: (inout JSONScanner, _ key: String, _ offset: Int) throws(JSONError) -> Void
    ) throws(JSONError) {
        try open(.object)
        if closes(UInt8(ascii: "}")) { return }
        while true {
            skipWhitespace()
            let keyOffset = position
            let key = try readString()
            skipWhitespace()
            guard consume(UInt8(ascii: ":")) else { throw unexpected("':'") }
            try member(&self, key, keyOffset)
            if closes(UInt8(ascii: "}")) { return }
            guard consume(UInt8(ascii: ",")) else { throw unexpected("',' or '}'") }
        }
    }

    /// Calls `element` for each element; it must read exactly one value.
    package mutating func readArray(_ element: (inout JSONScanner) throws(JSONError) -> Void) throws(JSONError) {
        try open(.array)
        if closes(UInt8(ascii: "]")) { return }
        while true {
            try element(&self)
            if closes(UInt8(ascii: "]")) { return }
            guard consume(UInt8(ascii: ",")) else { throw unexpected("',' or ']'") }
        }
    }

    package mutating func readString() throws(JSONError) -> String {
        try expect(.string)
        let start = position + 1
        var end = start
        while end < bytes.count, bytes[end] != UInt8(ascii: "\""), bytes[end] != UInt8(ascii: "\\"), bytes[end] >= 0x20 { end += 1 }
        guard end < bytes.count else { throw JSONError(offset: position, "the string that begins here does not end") }
        if bytes[end] == UInt8(ascii: "\"") {
            let text = try validated(bytes[start..<end], at: start)
            position = end + 1
            return text
        }
        return try readStringWithEscapes(from: start, plainEnd: end)
    }

    package mutating func readNumber() throws(JSONError) -> JSONNumber {
        try expect(.number)
        if let literal = pythonNumber() {
            position += literal.utf8.count
            return JSONNumber(literal: literal)
        }
        let start = position
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        let leadingZero = position < bytes.count && bytes[position] == UInt8(ascii: "0")
        let digits = skipDigits()
        guard digits > 0 else { throw unexpected("a digit") }
        guard !leadingZero || digits == 1 else { throw JSONError(offset: start, "a number here begins with a superfluous zero") }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position += 1
            guard skipDigits() > 0 else { throw unexpected("a digit") }
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") { position += 1 }
            guard skipDigits() > 0 else { throw unexpected("a digit") }
        }
        return JSONNumber(literal: String(decoding: bytes[start..<position], as: UTF8.self))
    }

    /// The word for a number that is not finite which stands here; nil for others, and where none is taken.
    private func pythonNumber() -> String? {
        guard takesPythonNumbers else { return nil }
        return JSONNumber.notFinite.first { bytes[position...].starts(with: $0.utf8) }
    }

    /// A whole number of the range of `Int`, written without fraction or exponent.
    package mutating func readInteger() throws(JSONError) -> Int {
        try expect(.number)
        if let short = readShortInteger() { return short }
        let start = position
        let number = try readNumber()
        guard let integer = number.integer else {
            throw JSONError(offset: start, "\(JSONError.excerpt(number.literal)) is not a whole number in range")
        }
        return integer
    }

    package mutating func readBool() throws(JSONError) -> Bool {
        try expect(.bool)
        if bytes[position] == UInt8(ascii: "t") {
            try readWord("true")
            return true
        }
        try readWord("false")
        return false
    }

    package mutating func readNull() throws(JSONError) {
        try expect(.null)
        try readWord("null")
    }

    /// Walks over one value of any kind, checking it as strictly as if it were read.
    package mutating func skipValue() throws(JSONError) {
        switch try peekKind() {
        case .null: try readNull()
        case .bool: _ = try readBool()
        case .number: _ = try readNumber()
        case .string: _ = try readString()
        case .array: try readArray { (scanner) throws(JSONError) in try scanner.skipValue() }
        case .object: try readObject { (scanner, _, _) throws(JSONError) in try scanner.skipValue() }
        }
    }

    // MARK: - Pieces

    private mutating func expect(_ kind: Kind) throws(JSONError) {
        let found = try peekKind()
        guard found == kind else { throw JSONError(offset: position, "\(kind.name) is expected here, but there is \(found.name)") }
    }

    private mutating func open(_ kind: Kind) throws(JSONError) {
        try expect(kind)
        depth += 1
        guard depth <= Self.depthLimit else {
            throw JSONError(offset: position, "values are nested more than \(Self.depthLimit) deep")
        }
        position += 1
    }

    /// True, and one level up, where the next byte closes the array or object.
    private mutating func closes(_ bracket: UInt8) -> Bool {
        skipWhitespace()
        guard consume(bracket) else { return false }
        depth -= 1
        return true
    }

    private mutating func skipWhitespace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0a, 0x0d: position += 1
            default: return
            }
        }
    }

    private mutating func consume(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) { position += 1 }
        return position - start
    }

    /// Reads up to 18 digits that are the whole number: nearly every number of a header. Nil, and nothing read, for others.
    private mutating func readShortInteger() -> Int? {
        var end = position
        var value = 0
        while end < bytes.count, bytes[end] &- UInt8(ascii: "0") <= 9 {
            guard end - position < 18 else { return nil }
            value = value * 10 + Int(bytes[end] - UInt8(ascii: "0"))
            end += 1
        }
        let isZeroLed = end - position > 1 && bytes[position] == UInt8(ascii: "0")
        guard end > position, end < bytes.count, !isZeroLed else { return nil }
        switch bytes[end] {
        case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): return nil
        default:
            position = end
            return value
        }
    }

    private mutating func readWord(_ word: StaticString) throws(JSONError) {
        let end = position + word.utf8CodeUnitCount
        let matches = end <= bytes.count && word.withUTF8Buffer { $0.elementsEqual(bytes[position..<end]) }
        guard matches else { throw JSONError(offset: position, "'\(word)' is expected here") }
        position = end
    }

    private func unexpected(_ expected: String) -> JSONError {
        guard position < bytes.count else { return JSONError(offset: position, "\(expected) is expected here, but the text ends") }
        let marks: [[UInt8]] = [[0xef, 0xbb, 0xbf], [0xff, 0xfe], [0xfe, 0xff]]
        if position == 0, marks.contains(where: { bytes.starts(with: $0) }) {
            return JSONError(offset: 0, "the text begins with a byte order mark; JSON is UTF-8 without one")
        }
        let byte = bytes[position]
        let shown = (0x21...0x7e).contains(byte) ? "'\(Character(Unicode.Scalar(byte)))'" : "byte \(byte)"
        return JSONError(offset: position, "\(expected) is expected here, but there is \(shown)")
    }

    private func validated(_ slice: ArraySlice<UInt8>, at offset: Int) throws(JSONError) -> String {
        guard let text = String(validating: slice, as: UTF8.self) else {
            throw JSONError(offset: offset, "the string that begins here is not UTF-8")
        }
        return text
    }

    private mutating func readStringWithEscapes(from start: Int, plainEnd: Int) throws(JSONError) -> String {
        var text = Array(bytes[start..<plainEnd])
        var cursor = plainEnd
        while cursor < bytes.count {
            let byte = bytes[cursor]
            switch byte {
            case UInt8(ascii: "\""):
                position = cursor + 1
                return try validated(text[...], at: start)
            case UInt8(ascii: "\\"):
                cursor = try appendEscape(at: cursor, to: &text)
            case 0..<0x20:
                throw JSONError(offset: cursor, "an unescaped control character (byte \(byte)) stands in a string")
            default:
                text.append(byte)
                cursor += 1
            }
        }
        throw JSONError(offset: start - 1, "the string that begins here does not end")
    }

    /// Decodes the escape whose backslash is at `cursor`; returns the offset after it.
    private func appendEscape(at cursor: Int, to text: inout [UInt8]) throws(JSONError) -> Int {
        guard cursor + 1 < bytes.count else { throw JSONError(offset: cursor, "the text ends inside an escape") }
        switch bytes[cursor + 1] {
        case UInt8(ascii: "\""): text.append(UInt8(ascii: "\""))
        case UInt8(ascii: "\\"): text.append(UInt8(ascii: "\\"))
        case UInt8(ascii: "/"): text.append(UInt8(ascii: "/"))
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): return try appendUnicodeEscape(at: cursor, to: &text)
        default: throw JSONError(offset: cursor, "there is no such escape")
        }
        return cursor + 2
    }

    private func appendUnicodeEscape(at cursor: Int, to text: inout [UInt8]) throws(JSONError) -> Int {
        let first = try hexadecimalUnit(at: cursor + 2)
        var value = UInt32(first)
        var end = cursor + 6
        if (0xd800...0xdbff).contains(first), end + 1 < bytes.count, bytes[end] == UInt8(ascii: "\\"), bytes[end + 1] == UInt8(ascii: "u") {
            let second = try hexadecimalUnit(at: end + 2)
            guard (0xdc00...0xdfff).contains(second) else { throw JSONError(offset: cursor, "half of a surrogate pair stands alone") }
            value = 0x10000 + (UInt32(first) - 0xd800) << 10 + (UInt32(second) - 0xdc00)
            end += 6
        }
        guard let scalar = Unicode.Scalar(value) else { throw JSONError(offset: cursor, "half of a surrogate pair stands alone") }
        text.append(contentsOf: Array(String(scalar).utf8))
        return end
    }

    private func hexadecimalUnit(at offset: Int) throws(JSONError) -> UInt16 {
        guard offset + 4 <= bytes.count else { throw JSONError(offset: offset, "the text ends inside an escape") }
        var unit: UInt16 = 0
        for byte in bytes[offset..<offset + 4] {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: throw JSONError(offset: offset, "four hexadecimal digits are expected here")
            }
            unit = unit << 4 | UInt16(digit)
        }
        return unit
    }
}
