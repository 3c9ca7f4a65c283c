/// `format % values` and `format.format(values)`.
///
/// The format's own characters come from where the format comes from, and so does padding; values keep where they come from.
extension Machine {
    // MARK: - Percent

    func formatted(percent format: TemplateString, _ values: Value) throws(Fault) -> TemplateString {
        let buffer = TextBuffer()
        var list: [Value]
        if case .tuple(let tuple) = values { list = tuple.elements } else { list = [values] }
        var next = 0
        var usesNames = false
        func take() throws(Fault) -> Value {
            guard next < list.count else { throw .value("not enough arguments for format string") }
            next += 1
            return list[next - 1]
        }
        try budget.spend(bytes: format.byteCount)
        var scalars: [(scalar: Unicode.Scalar, mark: Mark)] = []
        try budget.spend(format.scalarCount, times: 8)
        format.forEachScalar { scalars.append(($0, $1)) }
        var index = 0
        while index < scalars.count {
            let (scalar, mark) = scalars[index]
            index += 1
            guard scalar == "%" else {
                buffer.append(scalar, mark: mark)
                continue
            }
            var rest = scalars[index...].prefix { $0.scalar != "%" }.prefix(64).map(\.scalar)[...]
            if index < scalars.count, scalars[index].scalar == "%" { rest = ["%"] }
            let restCount = rest.count
            var value: Value?
            if rest.first == "(" {
                guard let close = rest.firstIndex(of: ")") else { throw .value("incomplete format key") }
                let key = String(String.UnicodeScalarView(rest[(rest.startIndex + 1)..<close]))
                rest = rest[(close + 1)...]
                guard case .dictionary(let mapping) = values else { throw .value("format requires a mapping") }
                guard let found = mapping.value(of: Array(key.utf8)) else { throw .value("there is no '\(key)' to format") }
                value = found
                usesNames = true
            }
            var specification = FormatSpecification()
            specification.alignment = ">"
            try Self.parsePercent(&rest, &specification, take)
            guard let type = rest.popFirst() else { throw .value("incomplete format") }
            index += restCount - rest.count
            if type == "%" {
                buffer.append("%", mark: mark)
                continue
            }
            specification.type = type
            if value == nil { value = try take() }
            let string = try percentText(value ?? .none, &specification, isMarkup: format.isMarkup)
            try pad(string, specification, mark: mark, into: buffer)
        }
        guard usesNames || next == list.count || isMapping(values) else {
            throw .value("not all arguments converted during string formatting")
        }
        return TemplateString(buffer, isMarkup: format.isMarkup)
    }

    private func isMapping(_ value: Value) -> Bool {
        switch value {
        case .dictionary, .list: true
        default: false
        }
    }

    private static func parsePercent(
        _ rest: inout ArraySlice<Unicode.Scalar>, _ specification: inout FormatSpecification, _ take: () throws(Fault) -> Value
    ) throws(Fault) {
        var isLeft = false
        flags: while let flag = rest.first {
            switch flag {
            case "-": isLeft = true
            case "+": specification.sign = "+"
            case " ": specification.sign = specification.sign ?? " "
            case "#": specification.isAlternate = true
            case "0":
                specification.fill = "0"
                specification.alignment = "="
            default: break flags
            }
            rest.removeFirst()
        }
        if isLeft {
            specification.alignment = "<"
            specification.fill = " "
        }
        func number() throws(Fault) -> Int? {
            guard rest.first == "*" else { return try FormatSpecification.number(&rest) }
            rest.removeFirst()
            guard case .integer(let value)? = Number(try take()), (0...1 << 32).contains(value) else { throw .value("* wants int") }
            return value
        }
        specification.width = try number() ?? 0
        if rest.first == "." {
            rest.removeFirst()
            specification.precision = try number() ?? 0
        }
        while let first = rest.first, first == "l" || first == "h" || first == "L" { rest.removeFirst() }
    }

    private func percentText(
        _ value: Value, _ specification: inout FormatSpecification, isMarkup: Bool
    ) throws(Fault) -> TemplateString {
        switch specification.type {
        case "s", "r":
            if specification.alignment == "=" {
                specification.alignment = ">"
                specification.fill = " "
            }
            var string = try specification.type == "s" ? string(of: value) : representation(of: value)
            if isMarkup { string = try escaped(string) }
            if let precision = specification.precision, precision < string.scalarCount { string = string.scalars(0..<precision) }
            return string
        case "c":
            if case .string(let string) = value, string.scalarCount == 1 { return string }
            fallthrough
        case "d", "i", "u", "x", "X", "o", "e", "E", "f", "F", "g", "G":
            guard var number = Number(value) else {
                if case .hugeInteger = value { throw Self.huge }
                throw .value("%\(specification.type.map(String.init) ?? "") format: a real number is required, not \(value.typeName)")
            }
            let isInteger = "diuxXoc".unicodeScalars.contains(specification.type ?? "d")
            if isInteger, case .double(let double) = number {
                guard "diu".unicodeScalars.contains(specification.type ?? "d"), let integer = Int(exactly: double.rounded(.towardZero))
                else {
                    throw .value("an integer is required, not float")
                }
                number = .integer(integer)
            }
            if specification.type == "i" || specification.type == "u" { specification.type = "d" }
            let (sign, body) = try specification.digits(of: number, typeName: value.typeName)
            return try signed(sign, isInteger ? zeroFilled(body, specification.precision) : body, specification)
        default: throw .value("unsupported format character '\(specification.type.map(String.init) ?? "")'")
        }
    }

    /// The precision of whole numbers is the least count of digits.
    private func zeroFilled(_ body: String, _ precision: Int?) throws(Fault) -> String {
        let missing = (precision ?? 0) - body.utf8.count
        guard missing > 0 else { return body }
        try budget.spend(bytes: missing)
        return String(repeating: "0", count: missing) + body
    }

    /// A sign and digits, with the fill between them where that is asked for.
    private func signed(_ sign: String, _ body: String, _ specification: FormatSpecification) throws(Fault) -> TemplateString {
        let missing = specification.width - sign.utf8.count - body.unicodeScalars.count
        guard specification.alignment == "=", missing > 0 else { return TemplateString(sign + body) }
        let fill = try repeated(TemplateString(String(specification.fill)), missing)
        return TemplateString(sign).appending(fill).appending(TemplateString(body))
    }

    private func pad(_ string: TemplateString, _ specification: FormatSpecification, mark: Mark, into buffer: TextBuffer) throws(Fault) {
        let missing = max(specification.width - string.scalarCount, 0)
        let fill = missing > 0 ? try repeated(TemplateString(String(specification.fill)), missing) : .empty
        try budget.spend(bytes: fill.byteCount)
        try budget.spend(bytes: string.byteCount)
        let left =
            switch specification.alignment {
            case ">", "=": missing
            case "^": missing / 2
            default: 0
            }
        let middle = fill.offset(ofScalar: left)
        buffer.append(fill.buffer.bytes[fill.start..<middle], mark: mark)
        buffer.append(string)
        buffer.append(fill.buffer.bytes[middle..<fill.end], mark: mark)
    }

    // MARK: - Braces

    func formatted(braces format: TemplateString, _ arguments: CallArguments) throws(Fault) -> TemplateString {
        let buffer = TextBuffer()
        try budget.spend(format.scalarCount, times: 8)
        var scalars: [(scalar: Unicode.Scalar, mark: Mark)] = []
        format.forEachScalar { scalars.append(($0, $1)) }
        var index = 0
        var automatic: Int?
        while index < scalars.count {
            let (scalar, mark) = scalars[index]
            let isDoubled = index + 1 < scalars.count && scalars[index + 1].scalar == scalar
            index += 1
            switch scalar {
            case "{", "}":
                if isDoubled {
                    buffer.append(scalar, mark: mark)
                    index += 1
                    continue
                }
                guard scalar == "{" else { throw .value("Single '}' encountered in format string") }
                let field = scalars[index...].prefix { $0.scalar != "}" && $0.scalar != "{" }.map(\.scalar)
                index += field.count
                guard index < scalars.count else { throw .value("expected '}' before end of string") }
                guard scalars[index].scalar == "}" else {
                    throw Fault(.unsupported, "replacement fields inside replacement fields are not supported")
                }
                index += 1
                try write(field, arguments, &automatic, mark: mark, isMarkup: format.isMarkup, into: buffer)
            default: buffer.append(scalar, mark: mark)
            }
        }
        return TemplateString(buffer, isMarkup: format.isMarkup)
    }

    /// `name.member[element]!conversion:specification`
    private func write(
        _ field: [Unicode.Scalar], _ arguments: CallArguments, _ automatic: inout Int?, mark: Mark, isMarkup: Bool, into buffer: TextBuffer
    ) throws(Fault) {
        let parts = field.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let head = parts[0].split(separator: "!", maxSplits: 1, omittingEmptySubsequences: false)
        let specification = try FormatSpecification(parsing: parts.count > 1 ? String(String.UnicodeScalarView(parts[1])) : "")
        var value = try fieldValue(head[0], arguments, &automatic)
        if head.count > 1 {
            switch head[1].first {
            case "s" where head[1].count == 1: value = .string(try string(of: value))
            case "r" where head[1].count == 1: value = .string(try representation(of: value))
            default: throw .value("Unknown conversion specifier in format string")
            }
        }
        var text = try braceText(value, specification)
        if isMarkup { text = try escaped(text) }
        var padding = specification
        if padding.alignment == "=" { padding.alignment = ">" }
        if padding.alignment == nil { padding.alignment = Number(value) == nil ? "<" : ">" }
        try pad(text, padding, mark: mark, into: buffer)
    }

    private func braceText(_ value: Value, _ specification: FormatSpecification) throws(Fault) -> TemplateString {
        if let number = Number(value) {
            if case .bool = value, specification.isEmpty { return try string(of: value) }
            guard specification.type != "s" else { throw .value("Unknown format code 's' for object of type '\(value.typeName)'") }
            let (sign, body) = try specification.digits(of: number, typeName: value.typeName)
            return try signed(sign, body, specification)
        }
        switch value {
        case .string(var string):
            guard specification.type == nil || specification.type == "s" else {
                throw .value("Unknown format code '\(specification.type.map(String.init) ?? "")' for object of type 'str'")
            }
            guard specification.alignment != "=" || specification.fill == "0" else {
                throw .value("'=' alignment not allowed in string format specifier")
            }
            if let precision = specification.precision, precision < string.scalarCount { string = string.scalars(0..<precision) }
            return string
        default:
            guard specification.isEmpty else { throw .value("unsupported format string passed to \(value.typeName).__format__") }
            return try string(of: value)
        }
    }

    private func fieldValue(_ field: ArraySlice<Unicode.Scalar>, _ arguments: CallArguments, _ automatic: inout Int?) throws(Fault) -> Value
    {
        var rest = field
        let name = rest.prefix { $0 != "." && $0 != "[" }
        rest = rest.dropFirst(name.count)
        var value: Value
        let text = String(String.UnicodeScalarView(name))
        if let index = name.isEmpty ? automatic ?? 0 : Int(text) {
            // -1 where fields are numbered by hand.
            guard (automatic ?? (name.isEmpty ? 0 : -1) < 0) != name.isEmpty else {
                throw .value("a format string numbers its fields either by hand or not at all")
            }
            automatic = name.isEmpty ? index + 1 : -1
            guard arguments.positional.indices.contains(index) else {
                throw .value("Replacement index \(index) out of range for positional args tuple")
            }
            value = arguments.positional[index]
        } else {
            try budget.spend(elements: arguments.keywords.count)
            guard let found = arguments.keywords.first(where: { $0.name == text }) else {
                throw .value("there is no argument '\(text)' to format")
            }
            value = found.value
        }
        while let first = rest.popFirst() {
            if first == "." {
                let member = rest.prefix { $0 != "." && $0 != "[" }
                rest = rest.dropFirst(member.count)
                value = try self.member(Program.Name(String(String.UnicodeScalarView(member))), of: value)
            } else {
                let key = rest.prefix { $0 != "]" }
                rest = rest.dropFirst(key.count)
                guard rest.popFirst() == "]", !key.isEmpty else { throw .value("Missing ']' in format string") }
                let text = String(String.UnicodeScalarView(key))
                value = try element(Int(text).map { .integer($0) } ?? .string(text), of: value)
            }
        }
        return value
    }
}
