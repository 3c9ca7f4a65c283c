/// A regular expression for module names that takes time in proportion to the name, whatever the expression.
///
/// The expressions come from files, and one that backtracks (`(a+)+b`) could keep a program busy for years. What Python's
/// `re` understands beyond this (back references, assertions but `^` and `$`, flags) is refused, not guessed at.
///
///     alternation  a|b      groups  (a) (?:a)     repetition  * + ? {m} {m,} {m,n}, lazy or not
///     any but line end  .   classes [a-z_] [^.]   escapes  \. \d \w \s \D \W \S     ends  ^ $
struct ModuleExpression: Sendable {
    struct Failure: Error, Hashable {
        let message: String
    }

    enum Step: Sendable {
        case character(CharacterSet)
        case start
        case end
        case split(Int, Int)
        case jump(Int)
        case done
    }

    struct CharacterSet: Sendable {
        var ranges: [ClosedRange<UInt32>]
        var isNegated = false

        func contains(_ character: UInt32) -> Bool { ranges.contains { $0.contains(character) } != isNegated }
    }

    private let program: [Step]
    /// Where the expression is a run of characters, as nearly all are: an adapter can have thousands of such keys.
    private let run: (characters: [CharacterSet], beginsName: Bool)?

    init(_ text: String) throws(Failure) {
        var parser = ModuleExpressionParser(text)
        program = try parser.parse()
        run = Self.run(program)
    }

    private static func run(_ program: [Step]) -> (characters: [CharacterSet], beginsName: Bool)? {
        var steps = program.dropLast()
        var beginsName = false
        if case .start? = steps.first {
            beginsName = true
            steps.removeFirst()
        }
        if case .end? = steps.last { steps.removeLast() }
        var characters: [CharacterSet] = []
        for step in steps {
            guard case .character(let set) = step else { return nil }
            characters.append(set)
        }
        return (characters, beginsName)
    }

    /// Whether `re.match(r"(.*\.)?(EXPRESSION)$", name)` finds something.
    func matchesEnd(of name: String) -> Bool {
        guard let run else { return simulate(Array(name.unicodeScalars.map(\.value))) }
        var rest = name.unicodeScalars[...]
        for set in run.characters.reversed() {
            guard let last = rest.popLast(), set.contains(last.value) else { return false }
        }
        return rest.isEmpty || !run.beginsName && rest.last == "."
    }

    /// Follows all ways through the program at once.
    private func simulate(_ scalars: [UInt32]) -> Bool {
        let dot = UInt32(UInt8(ascii: "."))
        var states = StateSet(capacity: program.count)
        for position in 0...scalars.count {
            // The expression begins with the name, or after any of its dots.
            if position == 0 || scalars[position - 1] == dot { follow(0, at: position, of: scalars.count, into: &states) }
            if position == scalars.count { break }
            var next = StateSet(capacity: program.count)
            for state in states.members {
                if case .character(let set) = program[state], set.contains(scalars[position]) {
                    follow(state + 1, at: position + 1, of: scalars.count, into: &next)
                }
            }
            states = next
        }
        return states.members.contains { if case .done = program[$0] { true } else { false } }
    }

    /// Adds a state and all that are reached from it without reading a character.
    private func follow(_ state: Int, at position: Int, of count: Int, into states: inout StateSet) {
        var pending = [state]
        while let state = pending.popLast() {
            guard states.insert(state) else { continue }
            switch program[state] {
            case .split(let first, let second): pending += [second, first]
            case .jump(let target): pending.append(target)
            case .start: if position == 0 { pending.append(state + 1) }
            case .end: if position == count { pending.append(state + 1) }
            case .character, .done: break
            }
        }
    }

    private struct StateSet {
        private(set) var members: [Int] = []
        private var isMember: [Bool]

        init(capacity: Int) { isMember = Array(repeating: false, count: capacity) }

        mutating func insert(_ state: Int) -> Bool {
            guard !isMember[state] else { return false }
            isMember[state] = true
            members.append(state)
            return true
        }
    }
}
