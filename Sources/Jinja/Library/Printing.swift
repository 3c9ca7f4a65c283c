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

    private func write(_ value: Value, to buffer: TextBuffer, mark: Mark, depth: Int) throws(Fault) {
        func write(_ text: String) throws(Fault) {
            try budget.spend(bytes: text.utf8.count)
            buffer.append(text.utf8, mark: mark)
        }
        guard depth <= TemplateLimits.valueDepth else {
            throw Fault(.limit, "values are nested more than \(TemplateLimits.valueDepth) deep")
        }
        switch value {
        case .missing, .undefined: try write("Undefined")
        case .none: try write("None")
        case .bool(let value): try write(value ? "True" : "False")
        case .integer(let value): try write(String(value))
        case .hugeInteger(let value): try write(value.literal)
        case .double(let value): try write(pythonRepresentation(of: value))
        case .string(let string): try writeQuoted(string, to: buffer)
        case .list(let list): try writeSequence("[", list.elements, "]", to: buffer, depth: depth)
        case .tuple(let list): try writeSequence("(", list.elements, list.elements.count == 1 ? ",)" : ")", to: buffer, depth: depth)
        case .dictionary(let dictionary): try writeMembers(Array(zip(dictionary.keys, dictionary.values)), to: buffer, depth: depth)
        case .view(let view):
            try write("\(view.kind.rawValue)(")
            try writeSequence("[", try elements(of: value), "]", to: buffer, depth: depth)
            try write(")")
        case .range(let range):
            let stop = range.start &+ range.count &* range.step
            try write("range(\(range.start), \(stop)\(range.step == 1 ? "" : ", \(range.step)"))")
        case .namespace(let number):
            try write("<Namespace ")
            try writeMembers(namespaces[number].map { ($0.name, $0.value) }, to: buffer, depth: depth)
            try write(">")
        case .macro(let number): try write("<Macro \(program.routines[closures[number].routine].name.map { "'\($0)'" } ?? "anonymous")>")
        case .loop(let number): try write("<LoopContext \(loops[number].index + 1)/\(loops[number].knownLength)>")
        case .iterator, .method, .function:
            throw Fault(
                .unsupported, "a value of type '\(value.typeName)' has no text; is a filter like 'list' or 'join', or a call, missing?")
        }
    }

    private func writeSequence(
        _ open: String, _ elements: [Value], _ close: String, to buffer: TextBuffer, depth: Int
    ) throws(Fault) {
        buffer.append(open.utf8, mark: .data)
        for (index, element) in elements.enumerated() {
            if index > 0 { buffer.append(", ".utf8, mark: .data) }
            try budget.spend(bytes: 2)
            try write(element, to: buffer, mark: .data, depth: depth + 1)
        }
        buffer.append(close.utf8, mark: .data)
    }

    private func writeMembers(_ members: [(Value, Value)], to buffer: TextBuffer, depth: Int) throws(Fault) {
        buffer.append("{".utf8, mark: .data)
        for (index, (key, value)) in members.enumerated() {
            if index > 0 { buffer.append(", ".utf8, mark: .data) }
            try budget.spend(bytes: 4)
            try write(key, to: buffer, mark: .data, depth: depth + 1)
            buffer.append(": ".utf8, mark: .data)
            try write(value, to: buffer, mark: .data, depth: depth + 1)
        }
        buffer.append("}".utf8, mark: .data)
    }

    /// In single quotes, unless there are some inside and no double ones.
    private func writeQuoted(_ string: TemplateString, to buffer: TextBuffer) throws(Fault) {
        try budget.spend(bytes: string.byteCount + 16)
        if string.isMarkup { buffer.append("Markup(".utf8, mark: .data) }
        let isDouble = string.bytes.contains(UInt8(ascii: "'")) && !string.bytes.contains(UInt8(ascii: "\""))
        let quote: Unicode.Scalar = isDouble ? "\"" : "'"
        var escapeCount = 0
        buffer.append(quote, mark: .data)
        string.forEachScalar { scalar, mark in
            switch scalar {
            case quote, "\\": buffer.append("\\\(scalar)".utf8, mark: mark)
            case "\n": buffer.append("\\n".utf8, mark: mark)
            case "\r": buffer.append("\\r".utf8, mark: mark)
            case "\t": buffer.append("\\t".utf8, mark: mark)
            default:
                if PythonText.isPrintable(scalar) {
                    buffer.append(scalar, mark: mark)
                } else {
                    escapeCount += 1
                    buffer.append(Self.escape(scalar).utf8, mark: mark)
                }
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
        string.forEachScalar { scalar, mark in
            switch scalar {
            case "&": buffer.append("&amp;".utf8, mark: mark)
            case "<": buffer.append("&lt;".utf8, mark: mark)
            case ">": buffer.append("&gt;".utf8, mark: mark)
            case "'": buffer.append("&#39;".utf8, mark: mark)
            case "\"": buffer.append("&#34;".utf8, mark: mark)
            default: buffer.append(scalar, mark: mark)
            }
        }
        return TemplateString(buffer, isMarkup: true)
    }
}
