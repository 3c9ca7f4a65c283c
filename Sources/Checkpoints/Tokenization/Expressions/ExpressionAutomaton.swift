/// An expression as a table: what a backtracking engine would match, in one step for each scalar.
///
/// A state is a list of instructions, the most urgent first. Taking a scalar looks at its class only, so a step is
///
///     (state, class of the scalar, or the end) -> (next state, whether the text before the scalar is a match)
///
/// That the match is told one scalar late makes `(?!\S)` and `$` cost nothing.
final class ExpressionAutomaton: Sendable {
    /// As tokenizer.json spells it, or a name for one of ours.
    let source: String
    private let classes: ScalarClasses
    /// By state * (classes + 1) + class: next state << 1 | whether there is a match; the last class is the end of the text.
    private let steps: [UInt32]

    /// Nothing is left to try.
    private static let dead: UInt32 = 0
    private static let start: UInt32 = 1
    /// Real ones have fewer than 2000; each is looked for through all instructions.
    private static let stepLimit = 1 << 18

    init(_ expression: Expression, source: String) throws(ExpressionParser.Refusal) {
        self.source = source
        let program = try ExpressionProgram(expression)
        classes = ScalarClasses(program.sets)
        var builder = AutomatonBuilder(program, classes)
        steps = try builder.steps(limit: Self.stepLimit)
        // Such a match would cut the text without taking anything.
        if (0...classes.count).contains(where: { steps[(classes.count + 1) * Int(Self.start) + $0] & 1 == 1 }) {
            throw .init(what: "a match without a character")
        }
    }

    convenience init(_ source: String) throws(ExpressionParser.Refusal) {
        try self.init(ExpressionParser.parse(source), source: source)
    }

    /// Where the match that begins at `start` ends; nil where none does.
    func endOfMatch(in text: Span<UInt8>, from start: Int, to end: Int, _ failures: inout MatchFailures) -> Int? {
        var state = Self.start
        var position = start
        var found: Int?
        var trail = MatchFailures()
        while true {
            let (value, byteCount) = position < end ? scalar(in: text, at: position) : (0, 0)
            let step = steps[Int(state) * (classes.count + 1) + (position < end ? classes.of(value) : classes.count)]
            if step & 1 == 1 {
                found = position
                trail.removeAll()
            }
            guard step >> 1 != Self.dead, position < end else { break }
            if position - (found ?? start) >= MatchFailures.leastDistance {
                if failures.contains(state, at: position) { break }
                trail.add(state, at: position)
            }
            state = step >> 1
            position += byteCount
        }
        failures.replace(with: trail)
        return found
    }

    /// The first match that begins at `start` or later.
    func firstMatch(in text: Span<UInt8>, from start: Int, to end: Int, _ failures: inout MatchFailures) -> Range<Int>? {
        var position = start
        while position < end {
            if let matchEnd = endOfMatch(in: text, from: position, to: end, &failures) { return position..<matchEnd }
            position += scalar(in: text, at: position).byteCount
        }
        return nil
    }
}

extension ExpressionAutomaton: Hashable {
    static func == (left: ExpressionAutomaton, right: ExpressionAutomaton) -> Bool { left.source == right.source }

    func hash(into hasher: inout Hasher) { hasher.combine(source) }
}

/// Where states led to no match: each attempt of a search over a long text would otherwise run to the same place in vain, which
/// takes the square of its length.
struct MatchFailures: Sendable {
    /// Shorter ways in vain are not worth remembering.
    static let leastDistance = 64

    private var positions: [Int] = []
    private var states: [UInt32] = []

    mutating func removeAll() {
        positions.removeAll(keepingCapacity: true)
        states.removeAll(keepingCapacity: true)
    }

    mutating func add(_ state: UInt32, at position: Int) {
        positions.append(position)
        states.append(state)
    }

    /// Keeps what reaches further.
    mutating func replace(with other: MatchFailures) {
        if let last = other.positions.last, last >= positions.last ?? 0 { self = other }
    }

    func contains(_ state: UInt32, at position: Int) -> Bool {
        guard let last = positions.last, position <= last else { return false }
        var (low, high) = (0, positions.count)
        while low < high {
            let middle = (low + high) / 2
            if positions[middle] < position { low = middle + 1 } else { high = middle }
        }
        return positions[low] == position && states[low] == state
    }
}
