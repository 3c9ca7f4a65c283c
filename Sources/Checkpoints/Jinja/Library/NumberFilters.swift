import Platform

/// Filters that make numbers.
extension Machine {
    func applyToNumber(_ filter: TemplateFilter, _ value: Value, _ arguments: CallArguments) throws(Fault) -> Value {
        let name = "the filter '\(filter.rawValue)'"
        switch filter {
        case .abs:
            _ = try arguments.bind(of: name)
            switch Number(value) {
            case .integer(let integer): return integer < 0 ? try negated(.integer(integer)) : .integer(integer)
            case .double(let double): return .double(double.magnitude)
            case nil:
                if case .undefined(let undefined) = value { throw undefined.fault }
                throw .value("bad operand type for abs(): '\(value.typeName)'")
            }
        case .int:
            let bound = try arguments.bind("default", "base", of: name)
            let base = try integer(bound[1] ?? .integer(10), of: name)
            if case .undefined(let undefined) = value { throw undefined.fault }
            return try wholeNumber(value, base: base) ?? bound[0] ?? .integer(0)
        case .float:
            let standard = try arguments.bind("default", of: name)[0] ?? .double(0)
            if let number = Number(value) { return .double(number.double) }
            if case .undefined(let undefined) = value { throw undefined.fault }
            return value.string.flatMap { Self.float($0) }.map { .double($0) } ?? standard
        case .filesizeformat:
            let isBinary = try isTrue(try arguments.bind("binary", of: name)[0] ?? .bool(false))
            guard let number = Number(value)?.double ?? value.string.flatMap({ Self.float($0) }) else {
                throw .value("\(name) needs a number, not \(value.typeName)")
            }
            return .string(Self.fileSize(number, isBinary: isBinary))
        default: return try rounded(value, arguments, of: name)
        }
    }

    // MARK: - Parsing

    /// Nil where Python fails, and the default is taken.
    private func wholeNumber(_ value: Value, base: Int) throws(Fault) -> Value? {
        switch value {
        case .bool, .integer:
            if case .integer(let integer)? = Number(value) { return .integer(integer) }
            return nil
        case .hugeInteger: return value
        case .double(let double): return try wholeNumber(double)
        case .string(let string):
            guard (2...36).contains(base) || base == 0 else {
                return try Self.float(string).flatMap { (double) throws(Fault) in try wholeNumber(double) }
            }
            if let parsed = try Self.integer(string, base: base) { return .integer(parsed) }
            return try Self.float(string).flatMap { (double) throws(Fault) in try wholeNumber(double) }
        default: return nil
        }
    }

    private func wholeNumber(_ double: Double) throws(Fault) -> Value? {
        guard double.isFinite else { return nil }
        guard let integer = Int(exactly: double.rounded(.towardZero)) else { throw Self.huge }
        return .integer(integer)
    }

    /// Python's `int(text, base)`; nil where it is none.
    private static func integer(_ string: TemplateString, base: Int) throws(Fault) -> Int? {
        let trimmedStart = PythonText.trimmedStart(of: string.buffer.bytes, in: string.range)
        let trimmedEnd = PythonText.trimmedEnd(of: string.buffer.bytes, in: trimmedStart..<string.end)
        var digits = Array(string.buffer.bytes[trimmedStart..<trimmedEnd])[...]
        var isNegative = false
        if let sign = digits.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            isNegative = sign == UInt8(ascii: "-")
            digits.removeFirst()
        }
        var base = base
        var isPrefixed = false
        if digits.count > 1, digits.first == UInt8(ascii: "0"), let radix = PythonText.radix(ofPrefix: digits[digits.startIndex + 1]),
            base == radix || base == 0
        {
            base = radix
            isPrefixed = true
            digits.removeFirst(2)
        }
        if base == 0 {
            base = 10
            guard digits.first != UInt8(ascii: "0") || digits.allSatisfy({ $0 == UInt8(ascii: "0") || $0 == UInt8(ascii: "_") }) else {
                return nil
            }
        }
        var value = 0
        var follows = isPrefixed
        var isEmpty = true
        var isTooLarge = false
        for byte in digits {
            if byte == UInt8(ascii: "_"), follows {
                follows = false
                continue
            }
            guard let digit = PythonText.digit(byte), digit < base else { return nil }
            let (product, overflows) = value.multipliedReportingOverflow(by: base)
            let (sum, overflowsToo) = product.subtractingReportingOverflow(digit)
            isTooLarge = isTooLarge || overflows || overflowsToo
            value = isTooLarge ? 0 : sum
            follows = true
            isEmpty = false
        }
        guard follows, !isEmpty else { return nil }
        // Negative while it grows, as there is one more of those.
        guard !isTooLarge, isNegative || value != .min else { throw huge }
        return isNegative ? value : -value
    }

    /// Python's `float(text)`; nil where it is none.
    static func float(_ string: TemplateString) -> Double? {
        let start = PythonText.trimmedStart(of: string.buffer.bytes, in: string.range)
        let end = PythonText.trimmedEnd(of: string.buffer.bytes, in: start..<string.end)
        let bytes = Array(string.buffer.bytes[start..<end])
        var text: [UInt8] = []
        for (index, byte) in bytes.enumerated() {
            if byte == UInt8(ascii: "_") {
                let isBetween =
                    index > 0 && index + 1 < bytes.count && PythonText.digit(bytes[index - 1]).map { $0 < 10 } ?? false
                    && PythonText.digit(bytes[index + 1]).map { $0 < 10 } ?? false
                guard isBetween else { return nil }
                continue
            }
            text.append(byte)
        }
        let isHexadecimal = text.contains { $0 == UInt8(ascii: "x") || $0 == UInt8(ascii: "X") || $0 == UInt8(ascii: "(") }
        return isHexadecimal ? nil : Double(String(decoding: text, as: UTF8.self))
    }

    // MARK: - Rounding

    private func rounded(_ value: Value, _ arguments: CallArguments, of name: String) throws(Fault) -> Value {
        let bound = try arguments.bind("precision", "method", of: name)
        let precision = try integer(bound[0] ?? .integer(0), of: name)
        let method = try bound[1].map { (method) throws(Fault) in try text(method, of: name).text } ?? "common"
        guard let number = Number(value) else {
            if case .undefined(let undefined) = value { throw undefined.fault }
            throw .value("type \(value.typeName) doesn't define __round__ method")
        }
        switch method {
        case "common":
            if case .integer = number, precision >= 0 { return number.value }
            if case .integer(let integer) = number { return .integer(try Self.rounded(integer, precision)) }
            guard precision >= 0 else { throw Fault(.unsupported, "rounding to a negative count of digits is not supported") }
            return .double(Self.rounded(number.double, precision))
        case "ceil", "floor":
            guard abs(precision) <= 300 else { throw Fault(.unsupported, "rounding to \(precision) digits is not supported") }
            let factor = try Number.calculate(.power, .integer(10), .integer(precision))
            let scaled = Number(try arithmetic(.multiply, number.value, factor))?.double ?? .nan
            guard let whole = try wholeNumber(method == "ceil" ? scaled.rounded(.up) : scaled.rounded(.down)) else {
                throw .value("cannot convert this float to a whole number")
            }
            return try arithmetic(.divide, whole, factor)
        default: throw .value("method must be common, ceil or floor")
        }
    }

    /// To tens, hundreds and so on; half goes to even.
    private static func rounded(_ value: Int, _ precision: Int) throws(Fault) -> Int {
        guard precision > -19 else { return 0 }
        var unit = 1
        for _ in 0..<(-precision) { unit *= 10 }
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: unit)
        let twice = remainder.magnitude * 2
        let isUp = twice > unit.magnitude || (twice == unit.magnitude && quotient % 2 != 0)
        let (result, overflows) = (quotient + (isUp ? value.signum() : 0)).multipliedReportingOverflow(by: unit)
        guard !overflows else { throw huge }
        return result
    }

    /// The decimal that is nearest to the exact value of the double; half goes to even.
    private static func rounded(_ value: Double, _ precision: Int) -> Double {
        guard value.isFinite, precision < 330 else { return value }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
            guard let base = buffer.baseAddress else { return value }
            _ = withVaList([CInt(precision), value]) { vsnprintf(base, buffer.count, "%.*f", $0) }
            return strtod(base, nil)
        }
    }

    private static func fileSize(_ bytes: Double, isBinary: Bool) -> String {
        let base: Double = isBinary ? 1024 : 1000
        let prefixes = isBinary ? ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"] : ["k", "M", "G", "T", "P", "E", "Z", "Y"]
        if bytes == 1 { return "1 Byte" }
        if bytes < base { return Int(exactly: bytes.rounded(.towardZero)).map { "\($0) Bytes" } ?? "\(bytes) Bytes" }
        var unit = base
        var text = ""
        for prefix in prefixes {
            unit *= base
            var specification = FormatSpecification()
            specification.type = "f"
            specification.precision = 1
            let digits = (try? specification.digits(of: .double(base * bytes / unit), typeName: "float").body) ?? ""
            text = "\(digits) \(prefix)B"
            if bytes < unit { break }
        }
        return text
    }
}
