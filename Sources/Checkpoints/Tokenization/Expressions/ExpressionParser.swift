/// Reads regular expressions as Oniguruma does, which the tokenizers library matches with.
///
/// What needs memory or looks behind is refused by name: back references, look-behind, word boundaries, anchors at the beginning.
///
///     a|b  ab  a* a+ a? a{2,3}, each also lazy (a*?) or, of one character, possessive (a*+)
///     [a-z\p{L}[:not read:][nested]&&[both]]  .  \s \d \w \h \p{L} \p{^L} \P{L} \x{41} \x41 \u0041 \n \r \t
///     (?:...)  (...)  (?i:...)  (?=one character)  (?!one character)  $  \z
struct ExpressionParser {
    /// Why an expression is not read: `look-behind`.
    struct Refusal: Error, Hashable, Sendable {
        let what: String
    }

    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var depth = 0
    private var ignoresCase = false

    /// Real ones have fewer than 500 characters, and nest twice.
    private static let lengthLimit = 16384
    private static let depthLimit = 32
    private static let countLimit = 64

    static func parse(_ text: String) throws(Refusal) -> Expression {
        var parser = ExpressionParser(scalars: Array(text.unicodeScalars))
        guard parser.scalars.count <= lengthLimit else { throw Refusal(what: "more than \(lengthLimit) characters") }
        let expression = try parser.alternatives()
        guard parser.position == parser.scalars.count else { throw Refusal(what: "a ')' without a '('") }
        return expression
    }

    private init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

    private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func takes(_ text: String) -> Bool {
        guard scalars[position...].starts(with: text.unicodeScalars) else { return false }
        position += text.unicodeScalars.count
        return true
    }

    private mutating func alternatives() throws(Refusal) -> Expression {
        depth += 1
        guard depth <= Self.depthLimit else { throw Refusal(what: "more than \(Self.depthLimit) groups in one another") }
        defer { depth -= 1 }
        var parts = [try sequence()]
        while takes("|") { parts.append(try sequence()) }
        return parts.count == 1 ? parts[0] : .choice(parts)
    }

    private mutating func sequence() throws(Refusal) -> Expression {
        var parts: [Expression] = []
        while let next, next != "|", next != ")" { parts.append(try repeated(atom())) }
        return parts.count == 1 ? parts[0] : parts.isEmpty ? .empty : .sequence(parts)
    }

    // MARK: - Repetitions

    private mutating func repeated(_ atom: Expression) throws(Refusal) -> Expression {
        var result = atom
        var level = 0
        while let (least, most, isInterval) = try count() {
            level += 1
            guard level <= 2 else { throw Refusal(what: "more than two repetitions of one another") }
            guard !result.isNullable else { throw Refusal(what: "a repetition of what may be empty") }
            if !isInterval, takes("+") {
                result = try possessive(result, least: least, most: most)
            } else if takes("?") {
                // To Oniguruma, `a{2}?` is an `a{2}` that may be missing.
                guard least != most else { throw Refusal(what: "a '{n}?'") }
                result = .repetition(result, least: least, most: most, isGreedy: false)
            } else {
                result = .repetition(result, least: least, most: most, isGreedy: true)
            }
        }
        return result
    }

    /// `*`, `+`, `?` or `{2,3}`; nil where none comes next.
    private mutating func count() throws(Refusal) -> (least: Int, most: Int?, isInterval: Bool)? {
        if takes("*") { return (0, nil, false) }
        if takes("+") { return (1, nil, false) }
        if takes("?") { return (0, 1, false) }
        guard takes("{") else { return nil }
        let least = number()
        var most = least
        if takes(",") { most = number() } else if least == nil { throw Refusal(what: "a '{' that is no count") }
        guard takes("}"), least != nil || most != nil else { throw Refusal(what: "a '{' that is no count") }
        guard max(least ?? 0, most ?? 0) <= Self.countLimit, most ?? .max >= least ?? 0, most != 0 else {
            throw Refusal(what: "a count that is not from 1 to \(Self.countLimit)")
        }
        return (least ?? 0, most, true)
    }

    private mutating func number() -> Int? {
        let start = position
        while let next, ("0"..."9").contains(next), position < start + 4 { position += 1 }
        return Int(String(String.UnicodeScalarView(scalars[start..<position])))
    }

    /// Takes as many as there are and gives none back: of one character, that is to say that no other follows.
    private func possessive(_ atom: Expression, least: Int, most: Int?) throws(Refusal) -> Expression {
        guard case .scalar(let set) = atom else { throw Refusal(what: "a possessive repetition of more than one character") }
        let end = Expression.lookahead(set.inverted, acceptsEnd: true)
        guard most == nil else { return .choice([atom, end]) }
        return .sequence([.repetition(atom, least: least, most: nil, isGreedy: true), end])
    }

    // MARK: - Atoms

    private mutating func atom() throws(Refusal) -> Expression {
        guard let scalar = next else { throw Refusal(what: "an end where something should be") }
        position += 1
        switch scalar {
        case "(": return try group()
        case "[": return .scalar(try set())
        case ".": return .scalar(ScalarSet("\n").inverted)
        case "$": return .lookahead(ScalarSet("\n"), acceptsEnd: true)
        case "^": throw Refusal(what: "the anchor '^'")
        case "*", "+", "?": throw Refusal(what: "a repetition of nothing")
        case "\\":
            if takes("z") { return .lookahead(.none, acceptsEnd: true) }
            return .scalar(try escaped())
        default: return .scalar(try folded(scalar))
        }
    }

    private mutating func group() throws(Refusal) -> Expression {
        let outer = ignoresCase
        defer { ignoresCase = outer }
        if takes("?") {
            if takes("i:") {
                ignoresCase = true
            } else if takes("=") || takes("!") {
                return try lookahead(isNegated: scalars[position - 1] == "!")
            } else if !takes(":") {
                let kind = next.map { String(Character($0)) } ?? ""
                throw Refusal(what: kind == "<" ? "a look-behind or a name" : "a group '(?\(kind)'")
            }
        }
        let inner = try alternatives()
        guard takes(")") else { throw Refusal(what: "a '(' without a ')'") }
        return inner
    }

    private mutating func lookahead(isNegated: Bool) throws(Refusal) -> Expression {
        guard case .scalar(let set) = try alternatives(), takes(")") else { throw Refusal(what: "a look-ahead at more than one character") }
        return .lookahead(isNegated ? set.inverted : set, acceptsEnd: isNegated)
    }

    /// A character by itself, with its other case where that does not count.
    private func folded(_ scalar: Unicode.Scalar) throws(Refusal) -> ScalarSet {
        guard ignoresCase else { return ScalarSet(scalar) }
        guard scalar.isASCII else { throw Refusal(what: "a character beyond ASCII where case does not count") }
        // `ss`, `ff`, `fi`, `fl` and `st` would also be single characters there.
        if let follower = next, "sStTfFiIlL".unicodeScalars.contains(follower), "sSfF".unicodeScalars.contains(scalar) {
            throw Refusal(what: "'\(scalar)\(follower)' where case does not count")
        }
        return Self.cases(of: scalar)
    }

    // MARK: - Sets

    /// After `[`, to its `]`.
    private mutating func set() throws(Refusal) -> ScalarSet {
        depth += 1
        guard depth <= Self.depthLimit else { throw Refusal(what: "more than \(Self.depthLimit) sets in one another") }
        defer { depth -= 1 }
        if takes(":") { throw Refusal(what: "a '[:name:]'") }
        let isInverted = takes("^")
        var result: ScalarSet?
        // Joined once: a set of each member would take the square of their number.
        var members: [ClosedRange<UInt32>] = []
        var isEmpty = true
        while let next, next != "]" || isEmpty {
            isEmpty = false
            if takes("&&") {
                result = result?.intersection(ScalarSet(members)) ?? ScalarSet(members)
                members = []
            } else {
                members += try setMember().ranges
            }
        }
        guard takes("]") else { throw Refusal(what: "a '[' without a ']'") }
        let set = try folded(result?.intersection(ScalarSet(members)) ?? ScalarSet(members))
        return isInverted ? set.inverted : set
    }

    /// A set with the other cases of its letters where that does not count.
    private func folded(_ set: ScalarSet) throws(Refusal) -> ScalarSet {
        guard ignoresCase else { return set }
        guard set.ranges.last.map({ $0.upperBound < 128 }) ?? true else {
            throw Refusal(what: "a '[' beyond ASCII where case does not count")
        }
        if let next, "[sStTfFiIlL".unicodeScalars.contains(next) { throw Refusal(what: "a ']\(next)' where case does not count") }
        var folded = set
        for range in set.ranges {
            for value in range {
                guard let scalar = Unicode.Scalar(value) else { continue }
                folded = folded.union(Self.cases(of: scalar))
            }
        }
        return folded
    }

    /// An ASCII character, and if it is a letter whatever differs from it in case only.
    private static func cases(of scalar: Unicode.Scalar) -> ScalarSet {
        guard ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) else { return ScalarSet(scalar) }
        let letter = scalar.value | 0x20
        let others: [UInt32] = letter == 0x73 ? [0x17f] : letter == 0x6b ? [0x212a] : []
        return ScalarSet(([letter, letter & 0xdf] + others).map { $0...$0 })
    }

    private mutating func setMember() throws(Refusal) -> ScalarSet {
        if takes("[") { return try set() }
        let first = try setScalars()
        guard next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" else { return first }
        position += 1
        guard next != "[", let low = first.single, let high = try setScalars().single, low <= high else {
            throw Refusal(what: "a '-' that is no range in a '['")
        }
        return ScalarSet([low...high])
    }

    private mutating func setScalars() throws(Refusal) -> ScalarSet {
        guard let scalar = next else { throw Refusal(what: "a '[' without a ']'") }
        position += 1
        return scalar == "\\" ? try escaped() : ScalarSet(scalar)
    }

    // MARK: - Escapes

    /// After `\`.
    private mutating func escaped() throws(Refusal) -> ScalarSet {
        guard let scalar = next else { throw Refusal(what: "a '\\' at the end") }
        guard !ignoresCase else { throw Refusal(what: "a '\\' where case does not count") }
        position += 1
        switch scalar {
        case "n": return ScalarSet("\n")
        case "r": return ScalarSet("\r")
        case "t": return ScalarSet("\t")
        case "f": return ScalarSet("\u{c}")
        case "v": return ScalarSet("\u{b}")
        case "s": return .spaces
        case "S": return .spaces.inverted
        case "d", "D":
            let digits = ScalarSet(categories: ["Nd"])
            return scalar == "d" ? digits : digits.inverted
        case "w", "W":
            let words = ScalarSet(bounds: CharacterRanges.expressionWords)
            return scalar == "w" ? words : words.inverted
        case "h", "H":
            let digits = ScalarSet(bounds: [0x30, 0x39, 0x41, 0x46, 0x61, 0x66])
            return scalar == "h" ? digits : digits.inverted
        case "p", "P": return try property(isNegated: scalar == "P")
        case "x": return try ScalarSet(hexadecimal(takes("{") ? nil : 2))
        case "u": return try ScalarSet(hexadecimal(4))
        default:
            guard scalar.isASCII, !scalar.properties.isAlphabetic, !("0"..."9").contains(scalar) else {
                throw Refusal(what: "'\\\(scalar)'")
            }
            return ScalarSet(scalar)
        }
    }

    private mutating func property(isNegated: Bool) throws(Refusal) -> ScalarSet {
        guard takes("{") else { throw Refusal(what: "a '\\p' without a name") }
        let isInverted = takes("^") != isNegated
        let start = position
        while let next, next != "}", position < start + 32 { position += 1 }
        let name = String(String.UnicodeScalarView(scalars[start..<position]))
        guard takes("}"), let set = ScalarSet.property(name) else { throw Refusal(what: "'\\p{\(name)}'") }
        return isInverted ? set.inverted : set
    }

    /// So many digits; or, where nil, those before `}`.
    private mutating func hexadecimal(_ count: Int?) throws(Refusal) -> Unicode.Scalar {
        let start = position
        while let next, next.properties.isASCIIHexDigit, position < start + (count ?? 8) { position += 1 }
        let digits = String(String.UnicodeScalarView(scalars[start..<position]))
        guard count == nil ? takes("}") : position == start + (count ?? 0), let value = UInt32(digits, radix: 16),
            let scalar = Unicode.Scalar(value)
        else { throw Refusal(what: "a '\\x' or '\\u' that is no character") }
        return scalar
    }
}

extension ScalarSet {
    /// The only scalar; nil where there are others, or none.
    fileprivate var single: UInt32? {
        guard let range = ranges.first, ranges.count == 1, range.count == 1 else { return nil }
        return range.lowerBound
    }
}
