import JSONText
import Platform

/// How one value is written by `str.format` and by `%`: `[[fill]align][sign][#][0][width][,][.precision][type]`.
struct FormatSpecification {
    var fill: Unicode.Scalar = " "
    /// `<`, `>`, `^` or `=`; nil for the standard of the type.
    var alignment: Unicode.Scalar?
    /// `+`, a space, or nil for `-` only.
    var sign: Unicode.Scalar?
    var isAlternate = false
    var grouping: Unicode.Scalar?
    var width = 0
    var precision: Int?
    var type: Unicode.Scalar?
    /// Nothing is asked for.
    private(set) var isEmpty = true

    /// Digits behind the point that a number may be asked for; a double has no more than 1,074.
    private static let precisionLimit = 1100

    init() {}

    /// The text behind the colon of `{name:...}`.
    init(parsing text: String) throws(Fault) {
        var scalars = Array(text.unicodeScalars)[...]
        isEmpty = scalars.isEmpty
        func isAlignment(_ scalar: Unicode.Scalar?) -> Bool { scalar == "<" || scalar == ">" || scalar == "^" || scalar == "=" }
        if scalars.count > 1, isAlignment(scalars[scalars.startIndex + 1]) {
            fill = scalars.removeFirst()
            alignment = scalars.removeFirst()
        } else if isAlignment(scalars.first) {
            alignment = scalars.removeFirst()
        }
        if let first = scalars.first, "+- ".unicodeScalars.contains(first) {
            scalars.removeFirst()
            sign = first == "-" ? nil : first
        }
        if scalars.first == "#" {
            isAlternate = true
            scalars.removeFirst()
        }
        if scalars.first == "0", alignment == nil {
            fill = "0"
            alignment = "="
        }
        width = try Self.number(&scalars) ?? 0
        if let first = scalars.first, first == "," || first == "_" { grouping = scalars.removeFirst() }
        if scalars.first == "." {
            scalars.removeFirst()
            guard let digits = try Self.number(&scalars) else { throw .value("Format specifier missing precision") }
            precision = digits
        }
        if let first = scalars.first {
            type = first
            scalars.removeFirst()
        }
        guard scalars.isEmpty else { throw .value("Invalid format specifier '\(text)'") }
    }

    /// Digits, as a number that is small enough to be counted with.
    static func number(_ scalars: inout ArraySlice<Unicode.Scalar>) throws(Fault) -> Int? {
        var value: Int?
        while let first = scalars.first, ("0"..."9").contains(first) {
            scalars.removeFirst()
            value = (value ?? 0) * 10 + Int(first.value - 48)
            guard value ?? 0 <= 1 << 32 else { throw Fault(.limit, "a width of more than \(1 << 32) characters") }
        }
        return value
    }

    // MARK: - Numbers

    /// The text of a number before it is padded: its sign, and the rest.
    func digits(of number: Number, typeName: String) throws(Fault) -> (sign: String, body: String) {
        switch (type, number) {
        case ("d", .integer(let value)), (nil, .integer(let value)), ("n", .integer(let value)):
            return (prefix(value < 0), grouped(String(value.magnitude), every: 3))
        case ("x", .integer(let value)):
            return (prefix(value < 0) + (isAlternate ? "0x" : ""), grouped(String(value.magnitude, radix: 16), every: 4))
        case ("X", .integer(let value)):
            return (prefix(value < 0) + (isAlternate ? "0X" : ""), grouped(String(value.magnitude, radix: 16, uppercase: true), every: 4))
        case ("o", .integer(let value)):
            return (prefix(value < 0) + (isAlternate ? "0o" : ""), grouped(String(value.magnitude, radix: 8), every: 4))
        case ("b", .integer(let value)):
            return (prefix(value < 0) + (isAlternate ? "0b" : ""), grouped(String(value.magnitude, radix: 2), every: 4))
        case ("c", .integer(let value)):
            guard let scalar = UInt32(exactly: value).flatMap(Unicode.Scalar.init) else { throw .value("%c arg not in range(0x110000)") }
            return ("", String(scalar))
        case (nil, .double(let value)) where precision == nil:
            return (prefix(value.sign == .minus && !value.isNaN), grouped(pythonRepresentation(of: value.magnitude), every: 3))
        case ("e", _), ("E", _), ("f", _), ("F", _), ("g", _), ("G", _), ("%", _), (nil, .double):
            return try floating(number.double)
        default:
            throw .value("Unknown format code '\(type.map(String.init) ?? "")' for object of type '\(typeName)'")
        }
    }

    private func prefix(_ isNegative: Bool) -> String { isNegative ? "-" : sign.map(String.init) ?? "" }

    private func grouped(_ digits: String, every count: Int) -> String {
        guard let grouping else { return digits }
        let whole = digits.prefix { count == 3 ? $0.isWholeNumber : $0.isHexDigit }
        var result = ""
        for (index, digit) in whole.enumerated() {
            if index > 0, (whole.count - index) % count == 0 { result.unicodeScalars.append(grouping) }
            result.append(digit)
        }
        return result + digits.dropFirst(whole.count)
    }

    private func floating(_ value: Double) throws(Fault) -> (sign: String, body: String) {
        let digits = precision ?? 6
        guard digits <= Self.precisionLimit else { throw Fault(.limit, "more than \(Self.precisionLimit) digits of a number") }
        let isPercent = type == "%"
        let value = isPercent ? value * 100 : value
        let isUpper = type.map { ("A"..."Z").contains($0) } ?? false
        let sign = prefix(value.sign == .minus && !value.isNaN)
        guard value.isFinite else {
            let name = value.isNaN ? "nan" : "inf"
            return (sign, (isUpper ? name.uppercased() : name) + (isPercent ? "%" : ""))
        }
        var code = type.map(String.init) ?? "g"
        if isPercent { code = "f" }
        let format = "%\(isAlternate ? "#" : "").*\(code)"
        var text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 2048) { buffer in
            guard let base = buffer.baseAddress else { return "" }
            let count = withVaList([CInt(digits), value.magnitude]) { vsnprintf(base, buffer.count, format, $0) }
            return String(decoding: buffer[..<Int(count)].map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
        // Without a type a float always shows that it is one.
        if type == nil, !text.contains("."), !text.contains("e") { text += ".0" }
        return (sign, grouped(text, every: 3) + (isPercent ? "%" : ""))
    }
}
