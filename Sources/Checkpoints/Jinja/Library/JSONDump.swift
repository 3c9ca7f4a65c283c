import JSONText

/// Python's `json.dumps`, as the filter `tojson` of chat templates calls it.
struct JSONDump {
    var escapesNonASCII = false
    var sortsKeys = false
    /// What one level is indented by; nil for everything on one line.
    var indent: TemplateString?
    var itemSeparator = TemplateString(", ")
    var keySeparator = TemplateString(": ")

    private let budget: Budget
    private let buffer = TextBuffer()

    init(_ budget: Budget) { self.budget = budget }

    func text(of value: Value) throws(Fault) -> TemplateString {
        // A number or a word on its own is the template's, as where it is printed.
        try write(value, level: 0, mark: .template)
        return TemplateString(buffer)
    }

    private func write(_ text: String, mark: Mark = .data) throws(Fault) {
        try budget.spend(bytes: text.utf8.count)
        buffer.append(text.utf8, mark: mark)
    }

    /// Containers here, the rest elsewhere: what calls itself keeps little on the stack.
    private func write(_ value: Value, level: Int, mark: Mark) throws(Fault) {
        switch value {
        case .list(let list), .tuple(let list): try writeList(list.elements, level: level)
        case .dictionary(let dictionary): try writeMembers(dictionary, level: level)
        default: try writeSimple(value, mark: mark)
        }
    }

    private func writeSimple(_ value: Value, mark: Mark) throws(Fault) {
        switch value {
        case .none: try write("null", mark: mark)
        case .bool(let value): try write(value ? "true" : "false", mark: mark)
        case .integer(let value): try write(String(value), mark: mark)
        case .hugeInteger(let value): try write(value.literal, mark: mark)
        case .double(let value): try write(Self.text(of: value), mark: mark)
        case .string(let string): try writeQuoted(string)
        default: throw .value("Object of type \(value.typeName) is not JSON serializable")
        }
    }

    private func writeList(_ elements: [Value], level: Int) throws(Fault) {
        try write("[")
        for index in elements.indices {
            if index > 0 { try write(itemSeparator) }
            try writeLineEnd(level: level + 1)
            try write(elements[index], level: level + 1, mark: .data)
        }
        if !elements.isEmpty { try writeLineEnd(level: level) }
        try write("]")
    }

    private func writeMembers(_ dictionary: ValueDictionary, level: Int) throws(Fault) {
        let order = sortsKeys ? try sortedIndices(dictionary) : Array(0..<dictionary.count)
        try write("{")
        for index in order.indices {
            if index > 0 { try write(itemSeparator) }
            try writeLineEnd(level: level + 1)
            try writeKey(dictionary.keys[order[index]])
            try write(keySeparator)
            try write(dictionary.values[order[index]], level: level + 1, mark: .data)
        }
        if !order.isEmpty { try writeLineEnd(level: level) }
        try write("}")
    }

    private func write(_ separator: TemplateString) throws(Fault) {
        try budget.spend(bytes: separator.byteCount)
        buffer.append(separator.bytes, mark: .data)
    }

    private static func text(of value: Double) -> String {
        value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : pythonRepresentation(of: value)
    }

    private func writeLineEnd(level: Int) throws(Fault) {
        guard let indent else { return }
        try write("\n")
        for _ in 0..<level { try write(indent) }
    }

    private func writeKey(_ key: Value) throws(Fault) {
        switch key {
        case .string(let string): try writeQuoted(string)
        case .none: try write("\"null\"")
        case .bool(let value): try write(value ? "\"true\"" : "\"false\"")
        case .integer(let value): try write("\"\(value)\"")
        case .double(let value): try write("\"\(Self.text(of: value))\"")
        default: throw .value("keys must be str, int, float, bool or None, not \(key.typeName)")
        }
    }

    private func sortedIndices(_ dictionary: ValueDictionary) throws(Fault) -> [Int] {
        var names: [(index: Int, name: TemplateString)] = []
        for (index, key) in dictionary.keys.enumerated() {
            guard case .string(let name) = key else {
                if dictionary.count == 1 { return [0] }
                throw Fault(.unsupported, "sort_keys with keys that are no strings is not supported")
            }
            names.append((index, name))
        }
        let sorted = try MergeSort.sorted(names) { (a, b) throws(Fault) in
            try budget.spend(work: min(a.name.byteCount, b.name.byteCount))
            return a.name.bytes.lexicographicallyPrecedes(b.name.bytes)
        }
        return sorted.map(\.index)
    }

    private func writeQuoted(_ string: TemplateString) throws(Fault) {
        try budget.spend(string.byteCount + 2, times: escapesNonASCII ? 3 : 1)
        // The quotes are the string's, so that the text of one string has one origin.
        buffer.append("\"".utf8, mark: string.firstMark)
        var escapeCount = 0
        let escapesNonASCII = escapesNonASCII
        buffer.append(string) { byte in
            byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") && (byte < 0x7f || !escapesNonASCII)
        } replacement: { scalar in
            switch scalar {
            case "\"": return "\\\""
            case "\\": return "\\\\"
            case "\n": return "\\n"
            case "\r": return "\\r"
            case "\t": return "\\t"
            case "\u{8}": return "\\b"
            case "\u{c}": return "\\f"
            default:
                escapeCount += 1
                return String(scalar).utf16.map(Self.escape).joined()
            }
        }
        buffer.append("\"".utf8, mark: string.firstMark)
        try budget.spend(bytes: escapeCount * 6)
    }

    private static func escape(_ unit: UInt16) -> String {
        let digits = String(unit, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}
