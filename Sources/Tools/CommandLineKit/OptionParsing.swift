extension Option {
    /// Checks the text of a value against the option's kind.
    ///
    /// - Parameter spelling: how the option was written, for the message.
    func value(of text: String, spelling: String) throws(UsageError) -> OptionValue {
        switch kind {
        case .flag:
            preconditionFailure("--\(name) takes no value")
        case .text:
            return .text(text)
        case .path:
            guard !text.isEmpty else { throw UsageError("\(spelling) is empty", hint: "is a shell variable unset?") }
            return .text(text)
        case .integer(let range):
            return .integer(try integer(text, range, spelling))
        case .number(let range):
            return .number(try number(text, range, spelling))
        case .byteCount:
            guard let count = ByteCountText.parse(text) else {
                throw UsageError("\(spelling) needs an amount of bytes, not '\(text)'", hint: ByteCountText.form)
            }
            return .byteCount(count)
        case .choice(let choices):
            guard choices.contains(text) else {
                let nearest = Spelling.nearest(to: text, among: choices)
                throw UsageError(
                    "\(spelling) must be one of \(choices.joined(separator: ", ")), not '\(text)'",
                    hint: nearest.map { "did you mean '\($0)'?" })
            }
            return .text(text)
        }
    }

    private func integer(_ text: String, _ range: ClosedRange<Int>, _ spelling: String) throws(UsageError) -> Int {
        if let value = Int(text), range.contains(value) { return value }
        let digits = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : text[...]
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else {
            throw UsageError("\(spelling) needs a whole number, not '\(text)'")
        }
        // Beyond 64 bits on the side where the range is open, "0 or more" would be no answer.
        let isOpen = text.hasPrefix("-") ? range.lowerBound == .min : range.upperBound == .max
        if Int(text) == nil && isOpen { throw UsageError("\(spelling) must fit 64 bits, not \(text)") }
        throw UsageError("\(spelling) must be \(rangeText ?? "an integer"), not \(text)")
    }

    private func number(_ text: String, _ range: ClosedRange<Double>, _ spelling: String) throws(UsageError) -> Double {
        // Swift's own parser also takes `nan`, `inf` and hexadecimal, none of which anybody means here.
        let isDecimal = text.allSatisfy { $0.isASCII && ($0.isNumber || "+-.eE".contains($0)) }
        guard isDecimal, let value = Double(text), value.isFinite else {
            throw UsageError("\(spelling) needs a number, not '\(text)'")
        }
        guard range.contains(value) else { throw UsageError("\(spelling) must be \(rangeText ?? "finite"), not \(text)") }
        return value
    }

    /// `1 to 1024`, `1 or more`; nil for kinds without a range and where every number will do.
    var rangeText: String? {
        switch kind {
        case .integer(let range):
            switch (range.lowerBound, range.upperBound) {
            case (.min, .max): nil
            case (let low, .max): "\(low) or more"
            case (.min, let high): "\(high) or less"
            case (let low, let high): "\(low) to \(high)"
            }
        case .number(let range):
            switch (range.lowerBound, range.upperBound) {
            case (-.infinity, .infinity): nil
            case (let low, .infinity): "\(Self.plain(low)) or more"
            case (-.infinity, let high): "\(Self.plain(high)) or less"
            case (let low, let high): "\(Self.plain(low)) to \(Self.plain(high))"
            }
        default: nil
        }
    }

    private static func plain(_ number: Double) -> String { NumberText.significant(number, digits: 6) }
}
