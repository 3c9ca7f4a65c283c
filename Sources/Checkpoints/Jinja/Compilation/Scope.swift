/// The variables of one scope: which name means which variable.
///
/// jinja2 decides this before anything runs. A name belongs to the scope that assigns it anywhere, begins there as a copy of
/// the variable outside, and is gone at the end; `if` is no scope; loops, macros, blocks of text are. Reading a name that no
/// scope assigns asks the caller's variables.
final class Scope {
    /// What a variable holds when its scope begins.
    enum Beginning: Equatable {
        /// Set by whoever begins the scope.
        case parameter
        /// What the caller's variables have under its name.
        case resolved
        /// A variable outside.
        case alias(Variable)
        case undefined
    }

    /// A variable is a name at a depth of scopes; scopes beside each other share it, as one ends before the next begins.
    struct Variable: Hashable {
        let level: Int
        let name: String
    }

    let parent: Scope?
    let level: Int
    let routine: RoutineBuilder
    private(set) var references: [String: Variable] = [:]
    private(set) var beginnings: [Variable: Beginning] = [:]
    /// `if` statements around what is being analyzed.
    private var conditionDepth = 0
    /// The top level, where assignments are visible to blocks.
    let isTopLevel: Bool

    init(in parent: Scope?, routine: RoutineBuilder, isTopLevel: Bool = false) {
        self.parent = parent
        self.routine = routine
        self.isTopLevel = isTopLevel
        level = parent.map { $0.level + 1 } ?? 0
    }

    func find(_ name: String) -> (variable: Variable, scope: Scope)? {
        var scope: Scope? = self
        while let current = scope {
            if let variable = current.references[name] { return (variable, current) }
            scope = current.parent
        }
        return nil
    }

    @discardableResult
    func declareParameter(_ name: String) -> Variable {
        define(name, .parameter)
    }

    private func define(_ name: String, _ beginning: Beginning) -> Variable {
        let variable = Variable(level: level, name: name)
        references[name] = variable
        beginnings[variable] = beginning
        return variable
    }

    private func store(_ name: String) {
        guard references[name] == nil else { return }
        if let outer = parent?.find(name)?.variable {
            _ = define(name, .alias(outer))
        } else {
            // What only some branches of an `if` set has, on the others, the value that the caller gave.
            _ = define(name, conditionDepth > 0 ? .resolved : .undefined)
        }
    }

    private func load(_ name: String) {
        if find(name) == nil { _ = define(name, .resolved) }
    }

    // MARK: - Analysis

    func analyze(_ body: [Statement]) {
        for statement in body { analyze(statement) }
    }

    private func analyze(_ statement: Statement) {
        switch statement.node {
        case .text, .generation, .block, .breakLoop, .continueLoop: break
        case .output(let value): analyze(value)
        case .loop(let loop): analyze(loop.iterated)
        case .condition(let branches, let otherwise):
            branches.first.map { analyze($0.condition) }
            conditionDepth += 1
            for (index, branch) in branches.enumerated() {
                if index > 0 { analyze(branch.condition) }
                analyze(branch.body)
            }
            analyze(otherwise)
            conditionDepth -= 1
        case .set(let target, let value):
            analyze(value)
            analyze(target)
        case .setBlock(let target, _, _): analyze(target)
        case .macro(let name, _): store(name)
        case .callBlock(let call, _): analyze(call)
        case .filterBlock(let filters, _): for filter in filters { analyze(filter) }
        case .with(let values, _): for (_, value) in values { analyze(value) }
        }
    }

    func analyze(_ target: Statement.Target, asParameter: Bool = false) {
        switch target.node {
        case .name(let name): asParameter ? _ = declareParameter(name) : store(name)
        case .member(let name, _): load(name)
        case .tuple(let targets): for target in targets { analyze(target, asParameter: asParameter) }
        }
    }

    func analyze(_ expression: Expression) {
        switch expression.node {
        case .constant: break
        case .name(let name): load(name)
        default: expression.forEachChild(analyze)
        }
    }

    func analyze(_ part: Expression.Postfix) { part.forEachChild(analyze) }
}

extension Expression {
    func forEachChild(_ visit: (Expression) -> Void) {
        switch node {
        case .constant, .name: break
        case .list(let elements), .tuple(let elements), .and(let elements), .or(let elements), .concatenation(let elements):
            elements.forEach(visit)
        case .dictionary(let members):
            for (key, value) in members {
                visit(key)
                visit(value)
            }
        case .negate(let operand), .plus(let operand), .not(let operand): visit(operand)
        case .arithmetic(let left, let parts):
            visit(left)
            for part in parts { visit(part.right) }
        case .comparison(let left, let parts):
            visit(left)
            for part in parts { visit(part.right) }
        case .conditional(let branches, let otherwise):
            for (condition, value) in branches {
                visit(condition)
                visit(value)
            }
            otherwise.map(visit)
        case .postfix(let base, let parts):
            visit(base)
            for part in parts { part.forEachChild(visit) }
        case .slice(let start, let stop, let step):
            start.map(visit)
            stop.map(visit)
            step.map(visit)
        }
    }
}

extension Expression.Postfix {
    func forEachChild(_ visit: (Expression) -> Void) {
        switch node {
        case .member: break
        case .subscripted(let index): visit(index)
        case .call(let arguments), .filter(_, let arguments), .test(_, let arguments, _):
            arguments.positional.forEach(visit)
            for (_, value) in arguments.keywords { visit(value) }
            arguments.list.map(visit)
            arguments.mapping.map(visit)
        }
    }
}
