/// An expression as instructions. Of two ways to go on, the first is the one that a backtracking engine would try first.
struct ExpressionProgram {
    enum Instruction: Hashable {
        /// Takes a scalar of the set, and goes on with the next instruction.
        case take(set: Int)
        /// Goes on where a scalar of the set follows, or the end.
        case look(set: Int, acceptsEnd: Bool)
        case jump(Int)
        case fork(Int, Int)
        case match
    }

    private(set) var instructions: [Instruction] = []
    /// Without repeats.
    private(set) var sets: [ScalarSet] = []

    /// Real ones have fewer than 100.
    private static let limit = 1000

    init(_ expression: Expression) throws(ExpressionParser.Refusal) {
        try add(expression)
        instructions.append(.match)
    }

    private mutating func add(_ expression: Expression) throws(ExpressionParser.Refusal) {
        guard instructions.count < Self.limit else { throw .init(what: "more than \(Self.limit) steps") }
        switch expression {
        case .empty: break
        case .scalar(let set): instructions.append(.take(set: index(of: set)))
        case .lookahead(let set, let acceptsEnd): instructions.append(.look(set: index(of: set), acceptsEnd: acceptsEnd))
        case .sequence(let parts): for part in parts { try add(part) }
        case .choice(let parts):
            var exits: [Int] = []
            for part in parts.dropLast() {
                let fork = reserve()
                try add(part)
                exits.append(reserve())
                instructions[fork] = .fork(fork + 1, instructions.count)
            }
            if let last = parts.last { try add(last) }
            for exit in exits { instructions[exit] = .jump(instructions.count) }
        case .repetition(let part, let least, let most, let isGreedy):
            for _ in 0..<least { try add(part) }
            func fork(_ inside: Int, _ outside: Int) -> Instruction { isGreedy ? .fork(inside, outside) : .fork(outside, inside) }
            guard let most else {
                let start = reserve()
                try add(part)
                instructions.append(.jump(start))
                instructions[start] = fork(start + 1, instructions.count)
                return
            }
            var forks: [Int] = []
            for _ in least..<most {
                forks.append(reserve())
                try add(part)
            }
            for place in forks { instructions[place] = fork(place + 1, instructions.count) }
        }
    }

    /// A place for an instruction whose target is not known yet.
    private mutating func reserve() -> Int {
        instructions.append(.match)
        return instructions.count - 1
    }

    private mutating func index(of set: ScalarSet) -> Int {
        if let known = sets.firstIndex(of: set) { return known }
        sets.append(set)
        return sets.count - 1
    }
}
