import JSONText

/// Python's `str` and `repr`.
///
/// What is printed of strings comes from where the strings come from. Numbers, true, false and none on their own count as the
/// template's: they are letters and digits. The brackets, quotes and numbers of a printed list or mapping count as the caller's.
extension Machine {
    /// `str(value)`.
    func string(of value: Value) throws(Fault) -> TemplateString {
        switch value {
        case .string(let string): return string
        case .undefined: return .empty
        default: return try representation(of: value)
        }
    }

    /// `repr(value)`.
    func representation(of value: Value) throws(Fault) -> TemplateString {
        let buffer = TextBuffer()
        try write(value, to: buffer, mark: .template, depth: 0)
        return TemplateString(buffer)
    }

    /// Containers here, the rest elsewhere: what calls itself keeps little on the stack.
    private func write(_ value: Value, to buffer: TextBuffer, mark: Mark, depth: Int) throws(Fault) {
        guard depth <= TemplateLimits.valueDepth else {
            throw Fault(.limit, "values are nested more than \(TemplateLimits.valueDepth) deep")
        }
        switch value {
        case .list(let list): try writeSequence("[", list.elements, "]", to: buffer, depth: depth)
        case .tuple(let list): try writeSequence("(", list.elements, list.elements.count == 1 ? ",)" : ")", to: buffer, depth: depth)
        case .dictionary(let dictionary): try writeMembers(dictionary.keys, dictionary.values, to: buffer, depth: depth)
        case .view(let view): try writeView(view, to: buffer, depth: depth)
        case .namespace(let number): try writeNamespace(number, to: buffer, depth: depth)
        default: try writeSimple(value, to: buffer, mark: mark)
        }
    }

    private func write(_ text: String, to buffer: TextBuffer, mark: Mark = .data) throws(Fault) {
        try budget.spend(bytes: text.utf8.count)
        buffer.append(text.utf8, mark: mark)
    }

    private func writeSimple(_ value: Value, to buffer: TextBuffer, mark: Mark) throws(Fault) {
        let text: String
        switch value {
        case .string(let string): return try writeQuoted(string, to: buffer)
        case .missing, .undefined: text = "Undefined"
        case .none: text = "None"
        case .bool(let value): text = value ? "True" : "False"
        case .integer(let value): text = String(value)
        case .hugeInteger(let value): text = value.literal
        case .double(let value): text = pythonRepresentation(of: value)
        case .range(let range):
            let stop = range.start &+ range.count &* range.step
            text = "range(\(range.start), \(stop)\(range.step == 1 ? "" : ", \(range.step)"))"
        case .macro(let number):
            text = "<Macro \(program.routines[closures[number].routine].name.map { "'\($0)'" } ?? "anonymous")>"
        case .loop(let number): text = "<LoopContext \(loops[number].index + 1)/\(loops[number].knownLength)>"
        default:
            throw Fault(
                .unsupported, "a value of type '\(value.typeName)' has no text; is a filter like 'list' or 'join', or a call, missing?")
        }
        try write(text, to: buffer, mark: mark)
    }

    private func writeView(_ view: DictionaryView, to buffer: TextBuffer, depth: Int) throws(Fault) {
        try write("\(view.kind.rawValue)(", to: buffer)
        try writeSequence("[", try elements(of: .view(view)), "]", to: buffer, depth: depth)
        try write(")", to: buffer)
    }

    private func writeNamespace(_ number: Int, to buffer: TextBuffer, depth: Int) throws(Fault) {
        try write("<Namespace ", to: buffer)
        try writeMembers(namespaces[number].map(\.name), namespaces[number].map(\.value), to: buffer, depth: depth)
        try write(">", to: buffer)
    }

    private func writeSequence(
        _ open: String, _ elements: [Value], _ close: String, to buffer: TextBuffer, depth: Int
    ) throws(Fault) {
        try write(open, to: buffer)
        for index in elements.indices {
            if index > 0 { try write(", ", to: buffer) }
            try write(elements[index], to: buffer, mark: .data, depth: depth + 1)
        }
        try write(close, to: buffer)
    }

    private func writeMembers(_ keys: [Value], _ values: [Value], to buffer: TextBuffer, depth: Int) throws(Fault) {
        try write("{", to: buffer)
        for index in keys.indices {
            if index > 0 { try write(", ", to: buffer) }
            try write(keys[index], to: buffer, mark: .data, depth: depth + 1)
            try write(": ", to: buffer)
            try write(values[index], to: buffer, mark: .data, depth: depth + 1)
        }
        try write("}", to: buffer)
    }

    /// In single quotes, unless there are some inside and no double ones.
    private func writeQuoted(_ string: TemplateString, to buffer: TextBuffer) throws(Fault) {
        try budget.spend(bytes: string.byteCount + 16)
        if string.isMarkup { buffer.append("Markup(".utf8, mark: .data) }
        let isDouble = string.bytes.contains(UInt8(ascii: "'")) && !string.bytes.contains(UInt8(ascii: "\""))
        let quote: Unicode.Scalar = isDouble ? "\"" : "'"
        var escapeCount = 0
        buffer.append(quote, mark: .data)
        let quoteByte = UInt8(isDouble ? UInt8(ascii: "\"") : UInt8(ascii: "'"))
        buffer.append(string) { byte in
            (0x20..<0x7f).contains(byte) && byte != quoteByte && byte != UInt8(ascii: "\\")
        } replacement: { scalar in
            switch scalar {
            case quote, "\\": return "\\\(scalar)"
            case "\n": return "\\n"
            case "\r": return "\\r"
            case "\t": return "\\t"
            default:
                if PythonText.isPrintable(scalar) { return nil }
                escapeCount += 1
                return Self.escape(scalar)
            }
        }
        buffer.append(quote, mark: .data)
        if string.isMarkup { buffer.append(")".utf8, mark: .data) }
        try budget.spend(bytes: escapeCount * 8)
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        let (letter, width) = scalar.value <= 0xff ? ("x", 2) : scalar.value <= 0xffff ? ("u", 4) : ("U", 8)
        return "\\\(letter)" + String(repeating: "0", count: width - digits.count) + digits
    }

    /// markupsafe's `escape`: HTML's five special characters as entities; Markup stays as it is.
    func escaped(_ string: TemplateString) throws(Fault) -> TemplateString {
        guard !string.isMarkup else { return string }
        let isPlain = !string.bytes.contains { $0 == 0x26 || $0 == 0x3c || $0 == 0x3e || $0 == 0x27 || $0 == 0x22 }
        if isPlain { return string.markup() }
        try budget.spend(string.byteCount, times: 5)
        let buffer = TextBuffer()
        buffer.append(string) { byte in
            byte != 0x26 && byte != 0x3c && byte != 0x3e && byte != 0x27 && byte != 0x22
        } replacement: { scalar in
            switch scalar {
            case "&": "&amp;"
            case "<": "&lt;"
            case ">": "&gt;"
            case "'": "&#39;"
            default: "&#34;"
            }
        }
        return TemplateString(buffer, isMarkup: true)
    }
}
