/// How a value is spelled as text. Members keep their order; numbers keep their literals.
package enum JSONStyle: Sendable {
    /// No white space: `{"a":1,"b":[2,3]}`.
    case compact
    /// As Python's `json.dumps` writes by default: `{"a": 1, "b": [2, 3]}`.
    case python
    /// Two spaces a level, as Hugging Face writes config.json.
    case indented
}

extension JSONValue {
    /// The text of the value; non-ASCII characters stand as they are, control characters escaped.
    package func text(_ style: JSONStyle) -> String {
        var text = ""
        write(to: &text, style: style, level: 0)
        return text
    }

    private func write(to text: inout String, style: JSONStyle, level: Int) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .number(let number): text += number.literal
        case .string(let string): Self.writeQuoted(string, to: &text)
        case .array(let elements):
            writeList("[", "]", count: elements.count, to: &text, style: style, level: level) { text, index in
                elements[index].write(to: &text, style: style, level: level + 1)
            }
        case .object(let object):
            writeList("{", "}", count: object.members.count, to: &text, style: style, level: level) { text, index in
                Self.writeQuoted(object.members[index].key, to: &text)
                text += style == .compact ? ":" : ": "
                object.members[index].value.write(to: &text, style: style, level: level + 1)
            }
        }
    }

    private func writeList(
        _ open: String, _ close: String, count: Int, to text: inout String, style: JSONStyle, level: Int,
        _ item: (inout String, Int) -> Void
    ) {
        text += open
        for index in 0..<count {
            if index > 0 { text += style == .python ? ", " : "," }
            if style == .indented { text += "\n" + String(repeating: "  ", count: level + 1) }
            item(&text, index)
        }
        if style == .indented, count > 0 { text += "\n" + String(repeating: "  ", count: level) }
        text += close
    }

    private static func writeQuoted(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{0}"..<"\u{20}", "\u{7f}":
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}

/// The shortest decimal that reads back as `value`, spelled as Python's `repr(float)`.
///
/// Swift finds the same digits, but keeps positional notation only up to 2^53, Python below 10^16.
package func pythonRepresentation(of value: Double) -> String {
    let text = value.description
    guard value.magnitude > 0x1p53, value.magnitude < 1e16, value.isFinite else { return text }
    // Whole numbers: no fraction is lost.
    return String(Int(value)) + ".0"
}
