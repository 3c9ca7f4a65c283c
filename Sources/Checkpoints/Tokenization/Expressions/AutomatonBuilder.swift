/// Finds the states of an automaton, each from those before it.
struct AutomatonBuilder {
    private let program: ExpressionProgram
    private let classes: ScalarClasses
    /// By set and class: whether the class is in the set.
    private let members: [[Bool]]
    private var numbers: [[Int]: UInt32] = [[]: 0, [0]: 1]
    private var states: [[Int]] = [[], [0]]

    init(_ program: ExpressionProgram, _ classes: ScalarClasses) {
        self.program = program
        self.classes = classes
        members = program.sets.map { set in classes.examples.map { set.contains($0) } }
    }

    /// The table of `ExpressionAutomaton`: state 0 is dead, state 1 the start.
    mutating func steps(limit: Int) throws(ExpressionParser.Refusal) -> [UInt32] {
        var steps: [UInt32] = []
        var index = 0
        while index < states.count {
            for number in 0...classes.count {
                var step = Step(program, members, classNumber: number < classes.count ? number : nil)
                for instruction in states[index] where !step.isMatch { step.follow(instruction) }
                if numbers[step.next] == nil {
                    guard states.count < limit / (classes.count + 1) else { throw .init(what: "more than \(limit) steps of an automaton") }
                    numbers[step.next] = UInt32(states.count)
                    states.append(step.next)
                }
                steps.append((numbers[step.next] ?? 0) << 1 | (step.isMatch ? 1 : 0))
            }
            index += 1
        }
        return steps
    }

    /// What becomes of a state with a scalar of one class, or nil at the end.
    private struct Step {
        private let program: ExpressionProgram
        private let members: [[Bool]]
        private let classNumber: Int?
        private var visited: [Bool]
        private(set) var next: [Int] = []
        private(set) var isMatch = false

        init(_ program: ExpressionProgram, _ members: [[Bool]], classNumber: Int?) {
            self.program = program
            self.members = members
            self.classNumber = classNumber
            visited = [Bool](repeating: false, count: program.instructions.count)
        }

        /// Goes on from an instruction without taking a scalar; behind a match nothing is tried any more.
        mutating func follow(_ first: Int) {
            var pending = [first]
            while let index = pending.popLast(), !isMatch {
                guard !visited[index] else { continue }
                visited[index] = true
                switch program.instructions[index] {
                case .jump(let target): pending.append(target)
                case .fork(let first, let second): pending += [second, first]
                case .take(let set):
                    if let classNumber, members[set][classNumber] { next.append(index + 1) }
                case .look(let set, let acceptsEnd):
                    if classNumber.map({ members[set][$0] }) ?? acceptsEnd { pending.append(index + 1) }
                case .match: isMatch = true
                }
            }
        }
    }
}
