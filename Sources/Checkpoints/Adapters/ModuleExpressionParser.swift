/// Compiles the text of a `ModuleExpression`.
struct ModuleExpressionParser {
    typealias Step = ModuleExpression.Step
    typealias Failure = ModuleExpression.Failure
    typealias CharacterSet = ModuleExpression.CharacterSet

    /// Steps of the longest program: repetitions are written out.
    private static let stepLimit = 4096
    private static let depthLimit = 64

    private let characters: [Unicode.Scalar]
    private var position = 0
    private var depth = 0

    init(_ text: String) { characters = Array(text.unicodeScalars) }

    mutating func parse() throws(Failure) -> [Step] {
        let steps = try alternation()
        guard position == characters.count else { throw Failure(message: "')' closes nothing at character \(position + 1)") }
        return steps + [.done]
    }

    private var next: Unicode.Scalar? { position < characters.count ? characters[position] : nil }

    private mutating func consume(_ character: Unicode.Scalar) -> Bool {
        guard next == character else { return false }
        position += 1
        return true
    }

    /// Targets of jumps count from the start of the steps they stand in; `moved` shifts them.
    private static func moved(_ steps: [Step], by distance: Int) -> [Step] {
        steps.map { step in
            switch step {
            case .split(let first, let second): .split(first + distance, second + distance)
            case .jump(let target): .jump(target + distance)
            default: step
            }
        }
    }

    private func checked(_ steps: [Step]) throws(Failure) -> [Step] {
        guard steps.count <= Self.stepLimit else { throw Failure(message: "it is longer than \(Self.stepLimit) steps when written out") }
        return steps
    }

    private mutating func alternation() throws(Failure) -> [Step] {
        var steps = try sequence()
        while consume("|") {
            let other = try sequence()
            let end = steps.count + other.count + 2
            steps = [.split(1, steps.count + 2)] + Self.moved(steps, by: 1) + [.jump(end)] + Self.moved(other, by: steps.count + 2)
            steps = try checked(steps)
        }
        return steps
    }

    private mutating func sequence() throws(Failure) -> [Step] {
        var steps: [Step] = []
        while let character = next, character != "|", character != ")" {
            let item = try repetition(of: try atom(character))
            steps = try checked(steps + Self.moved(item, by: steps.count))
        }
        return steps
    }

    private mutating func atom(_ character: Unicode.Scalar) throws(Failure) -> [Step] {
        position += 1
        switch character {
        case "(": return try group()
        case ".": return [.character(CharacterSet(ranges: [10...10], isNegated: true))]
        case "[": return [.character(try characterClass())]
        case "^": return [.start]
        case "$": return [.end]
        case "\\": return [.character(try escape())]
        case "*", "+", "?": throw Failure(message: "'\(character)' repeats nothing at character \(position)")
        default: return [.character(CharacterSet(ranges: [character.value...character.value]))]
        }
    }

    private mutating func group() throws(Failure) -> [Step] {
        if consume("?") {
            guard consume(":") else { throw Failure(message: "'(?' is understood only as '(?:', at character \(position)") }
        }
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthLimit else { throw Failure(message: "more than \(Self.depthLimit) groups stand inside each other") }
        let steps = try alternation()
        guard consume(")") else { throw Failure(message: "a group is not closed") }
        return steps
    }

    private mutating func repetition(of item: [Step]) throws(Failure) -> [Step] {
        var steps = item
        var isRepeated = false
        while let bounds = try repetitionBounds() {
            guard !isRepeated else { throw Failure(message: "a repetition is repeated at character \(position)") }
            isRepeated = true
            steps = try Self.repeated(steps, bounds.least, bounds.most)
            // Lazy or not: the whole end of the name must match anyway. Possessive repetition would differ.
            _ = consume("?")
            if next == "+" { throw Failure(message: "possessive repetition is not understood, at character \(position + 1)") }
        }
        return steps
    }

    private mutating func repetitionBounds() throws(Failure) -> (least: Int, most: Int?)? {
        if consume("*") { return (0, nil) }
        if consume("+") { return (1, nil) }
        if consume("?") { return (0, 1) }
        guard next == "{" else { return nil }
        let start = position
        position += 1
        let least = number()
        let hasComma = consume(",")
        let most = hasComma ? number() : least
        guard consume("}"), least != nil || most != nil else {
            // Python takes braces that are no repetition literally; so rare in names that they are refused.
            throw Failure(message: "'{' begins no repetition at character \(start + 1)")
        }
        if let least, let most, least > most { throw Failure(message: "the repetition {\(least),\(most)} ends before it begins") }
        return (least ?? 0, most)
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let digit = next?.value, (48...57).contains(digit), (value ?? 0) <= Self.stepLimit {
            value = 10 * (value ?? 0) + Int(digit - 48)
            position += 1
        }
        return value
    }

    private static func repeated(_ item: [Step], _ least: Int, _ most: Int?) throws(Failure) -> [Step] {
        let copies = max(least, most ?? least) + 1
        let (count, overflow) = (item.count + 2).multipliedReportingOverflow(by: copies)
        guard !overflow, count <= stepLimit else { throw Failure(message: "it is longer than \(stepLimit) steps when written out") }
        var steps: [Step] = []
        for _ in 0..<least { steps += moved(item, by: steps.count) }
        if let most {
            // Each optional copy may jump to the end of them all.
            let end = steps.count + (most - least) * (item.count + 1)
            for _ in least..<most {
                steps.append(.split(steps.count + 1, end))
                steps += moved(item, by: steps.count)
            }
        } else {
            let start = steps.count
            steps.append(.split(start + 1, start + item.count + 2))
            steps += moved(item, by: start + 1)
            steps.append(.jump(start))
        }
        return steps
    }

    // MARK: - Characters

    private static let digits: [ClosedRange<UInt32>] = [48...57]
    private static let word: [ClosedRange<UInt32>] = [48...57, 65...90, 95...95, 97...122]
    private static let space: [ClosedRange<UInt32>] = [9...13, 32...32]

    private mutating func escape() throws(Failure) -> CharacterSet {
        guard let character = next else { throw Failure(message: "it ends in a backslash") }
        position += 1
        switch character {
        case "d": return CharacterSet(ranges: Self.digits)
        case "D": return CharacterSet(ranges: Self.digits, isNegated: true)
        case "w": return CharacterSet(ranges: Self.word)
        case "W": return CharacterSet(ranges: Self.word, isNegated: true)
        case "s": return CharacterSet(ranges: Self.space)
        case "S": return CharacterSet(ranges: Self.space, isNegated: true)
        case _ where Self.word.contains(where: { $0.contains(character.value) }) && character != "_":
            throw Failure(message: "'\\\(character)' is not understood, at character \(position)")
        default: return CharacterSet(ranges: [character.value...character.value])
        }
    }

    private mutating func characterClass() throws(Failure) -> CharacterSet {
        var set = CharacterSet(ranges: [], isNegated: consume("^"))
        var isFirst = true
        while let character = next, character != "]" || isFirst {
            isFirst = false
            position += 1
            var lower = character.value
            if character == "\\" {
                let escaped = try escape()
                guard !escaped.isNegated else { throw Failure(message: "a negated class inside a class is not understood") }
                guard escaped.ranges.count == 1, escaped.ranges[0].count == 1 else {
                    set.ranges += escaped.ranges
                    continue
                }
                lower = escaped.ranges[0].lowerBound
            }
            guard next == "-", position + 1 < characters.count, characters[position + 1] != "]" else {
                set.ranges.append(lower...lower)
                continue
            }
            let upper = characters[position + 1]
            position += 2
            guard upper != "\\", upper.value >= lower else { throw Failure(message: "a range of a class is not understood") }
            set.ranges.append(lower...upper.value)
        }
        guard consume("]") else { throw Failure(message: "a class is not closed") }
        return set
    }
}
