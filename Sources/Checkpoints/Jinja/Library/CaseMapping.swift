/// Python's case conversions of strings. Each character keeps where it comes from, also where it becomes two.
enum CaseMapping {
    case upper, lower, title, capitalized, swapped

    func apply(to string: TemplateString, _ budget: Budget) throws(Fault) -> TemplateString {
        // A character grows threefold at most.
        try budget.spend(string.byteCount, times: 3)
        if string.isASCII, self == .upper || self == .lower { return applyToASCII(string) }
        var scalars: [(scalar: Unicode.Scalar, mark: Mark)] = []
        scalars.reserveCapacity(string.scalarCount)
        string.forEachScalar { scalars.append(($0, $1)) }
        let buffer = TextBuffer()
        var followsCased = false
        for (index, (scalar, mark)) in scalars.enumerated() {
            let properties = scalar.properties
            let mapped: String
            switch self {
            case .upper: mapped = properties.uppercaseMapping
            case .lower: mapped = Self.lower(scalars, index)
            case .title:
                mapped = followsCased ? Self.lower(scalars, index) : properties.titlecaseMapping
                followsCased = properties.isCased
            case .capitalized: mapped = index == 0 ? properties.titlecaseMapping : Self.lower(scalars, index)
            case .swapped:
                mapped =
                    properties.isUppercase
                    ? Self.lower(scalars, index) : properties.isLowercase ? properties.uppercaseMapping : String(scalar)
            }
            buffer.append(mapped.utf8, mark: mark)
        }
        return TemplateString(buffer, isMarkup: string.isMarkup)
    }

    private func applyToASCII(_ string: TemplateString) -> TemplateString {
        let first = UInt8(ascii: self == .upper ? "a" : "A")
        let buffer = TextBuffer()
        string.forEachRun { range, mark in
            buffer.append(string.buffer.bytes[range].map { (first..<first + 26).contains($0) ? $0 ^ 0x20 : $0 }, mark: mark)
        }
        return TemplateString(buffer, isMarkup: string.isMarkup)
    }

    /// The Greek sigma has a form of its own at the end of a word.
    private static func lower(_ scalars: [(scalar: Unicode.Scalar, mark: Mark)], _ index: Int) -> String {
        let scalar = scalars[index].scalar
        guard scalar == "\u{3a3}" else { return scalar.properties.lowercaseMapping }
        // Looked for no further than any word goes, so that a text of nothing but apostrophes takes linear time.
        let reach = 64
        let before = scalars[max(0, index - reach)..<index].last { !$0.scalar.properties.isCaseIgnorable }
        let after = scalars[(index + 1)..<min(scalars.count, index + 1 + reach)].first { !$0.scalar.properties.isCaseIgnorable }
        let isFinal = (before?.scalar.properties.isCased ?? false) && !(after?.scalar.properties.isCased ?? false)
        return isFinal ? "\u{3c2}" : "\u{3c3}"
    }
}
