/// Whether a body reads a name that it does not assign before: `loop`, `caller` and the like are provided only then.
struct NameSearch {
    private let name: String
    private var isFound = false
    private var isAssigned = false

    static func reads(_ name: String, in body: [Statement]) -> Bool {
        var search = NameSearch(name: name)
        search.visit(body)
        return search.isFound
    }

    private init(name: String) { self.name = name }

    private mutating func visit(_ body: [Statement]) {
        for statement in body where !isFound && !isAssigned { visit(statement) }
    }

    private mutating func visit(_ statement: Statement) {
        switch statement.node {
        case .text, .breakLoop, .continueLoop, .block: break
        case .output(let value): visit(value)
        case .loop(let loop):
            visit(loop.target)
            visit(loop.iterated)
            visit(loop.body)
            visit(loop.otherwise)
            if let filter = loop.filter { visit(filter) }
        case .condition(let branches, let otherwise):
            for (condition, body) in branches {
                visit(condition)
                visit(body)
            }
            visit(otherwise)
        case .set(let target, let value):
            visit(target)
            visit(value)
        case .setBlock(let target, let filters, let body):
            visit(target)
            for filter in filters { visit(filter) }
            visit(body)
        case .macro(_, let routine): visit(routine)
        case .callBlock(let call, let routine):
            visit(call)
            visit(routine)
        case .filterBlock(let filters, let body):
            visit(body)
            for filter in filters { visit(filter) }
        case .with(let values, let body):
            for (target, value) in values {
                visit(target)
                visit(value)
            }
            visit(body)
        case .generation(let body): visit(body)
        }
    }

    private mutating func visit(_ routine: Statement.Routine) {
        for (parameter, initial) in routine.parameters {
            assign(parameter)
            if let initial { visit(initial) }
        }
        visit(routine.body)
    }

    private mutating func visit(_ target: Statement.Target) {
        switch target.node {
        case .name(let name): assign(name)
        case .member: break
        case .tuple(let targets): for target in targets { visit(target) }
        }
    }

    private mutating func assign(_ name: String) { if name == self.name, !isFound { isAssigned = true } }

    private mutating func visit(_ expression: Expression) {
        guard !isFound, !isAssigned else { return }
        if case .name(let name) = expression.node {
            if name == self.name { isFound = true }
            return
        }
        var children: [Expression] = []
        expression.forEachChild { children.append($0) }
        for child in children { visit(child) }
    }

    private mutating func visit(_ part: Expression.Postfix) {
        var children: [Expression] = []
        part.forEachChild { children.append($0) }
        for child in children { visit(child) }
    }
}
