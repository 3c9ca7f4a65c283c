/// Turns statements into instructions.
///
/// The machine that runs them has its own stack, so that nothing a template does at run time nests calls of Swift functions.
final class Compiler {
    let source: SourceText
    private var routines: [Program.Routine?] = []
    private var constants: [Constant: Int32] = [:]
    private var constantTable: [Constant] = []
    private var texts: [[UInt8]] = []
    private var names: [String: Int32] = [:]
    private var nameTable: [Program.Name] = []
    private var shapes: [Program.CallShape: Int32] = [:]
    private var shapeTable: [Program.CallShape] = []
    private var loops: [Program.LoopShape] = []
    private let hasBlocks: Bool

    /// Where code goes, and what its names mean there.
    struct Context {
        let scope: Scope
        /// Inside `if` unknown filters and tests are errors only when they are reached.
        var isConditional = false
        var loop: LoopContext?
        /// Open captures in this routine.
        var captureCount = 0

        var routine: RoutineBuilder { scope.routine }
    }

    /// Jumps out of the innermost loop.
    final class LoopContext {
        let start: Int32
        let captureCount: Int
        var exits: [Int] = []

        init(start: Int32, captureCount: Int) {
            self.start = start
            self.captureCount = captureCount
        }
    }

    static func program(of source: SourceText) throws(TemplateError) -> Program {
        let statements = try Parser.statements(of: source)
        let compiler = Compiler(source: source, hasBlocks: statements.contains { $0.containsBlock })
        let routine = RoutineBuilder(name: nil, depth: 0)
        let scope = Scope(in: nil, routine: routine, isTopLevel: true)
        scope.analyze(statements)
        compiler.routines.append(nil)
        let context = Context(scope: scope)
        compiler.enter(context, at: 0)
        try compiler.compile(statements, context)
        routine.emit(.finish, at: source.bytes.count)
        compiler.routines[0] = routine.routine()
        return Program(
            source: source, routines: compiler.routines.compactMap { $0 }, constants: compiler.constantTable, texts: compiler.texts,
            names: compiler.nameTable, shapes: compiler.shapeTable, loops: compiler.loops)
    }

    private init(source: SourceText, hasBlocks: Bool) {
        self.source = source
        self.hasBlocks = hasBlocks
    }

    // MARK: - Tables

    func constant(_ constant: Constant) -> Int32 {
        if let index = constants[constant] { return index }
        let index = Int32(constantTable.count)
        constantTable.append(constant)
        constants[constant] = index
        return index
    }

    func name(_ name: String) -> Int32 {
        if let index = names[name] { return index }
        let index = Int32(nameTable.count)
        nameTable.append(Program.Name(name))
        names[name] = index
        return index
    }

    func shape(_ arguments: Expression.Arguments, hasCaller: Bool = false) -> Int32 {
        let shape = Program.CallShape(
            positionalCount: arguments.positional.count, keywords: arguments.keywords.map(\.name) + (hasCaller ? ["caller"] : []),
            hasList: arguments.list != nil, hasMapping: arguments.mapping != nil)
        if let index = shapes[shape] { return index }
        let index = Int32(shapeTable.count)
        shapeTable.append(shape)
        shapes[shape] = index
        return index
    }

    // MARK: - Scopes

    /// Sets the variables of a scope to what they begin with.
    private func enter(_ context: Context, at offset: Int) {
        let scope = context.scope
        for (variable, beginning) in scope.beginnings.sorted(by: { ($0.key.level, $0.key.name) < ($1.key.level, $1.key.name) }) {
            let slot = Int32(context.routine.slot(of: variable))
            switch beginning {
            case .parameter: break
            case .resolved: context.routine.emit(.resolve(slot: slot, name: name(variable.name)), at: offset)
            case .undefined: context.routine.emit(.clear(slot: slot), at: offset)
            case .alias(let outer):
                guard let routine = scope.parent?.find(outer.name)?.scope.routine else { break }
                context.routine.emit(
                    .alias(slot: slot, outer: Int32(routine.slot(of: outer)), hops: Int32(scope.routine.depth - routine.depth)), at: offset)
            }
        }
    }

    private func leave(_ context: Context, at offset: Int) {
        for variable in context.scope.beginnings.keys.sorted(by: { $0.name < $1.name }) {
            context.routine.emit(.clear(slot: Int32(context.routine.slot(of: variable))), at: offset)
        }
    }

    private func inner(_ context: Context) -> Context {
        Context(scope: Scope(in: context.scope, routine: context.routine), loop: context.loop, captureCount: context.captureCount)
    }

    // MARK: - Statements

    private func compile(_ body: [Statement], _ context: Context) throws(TemplateError) {
        for statement in body { try compile(statement, context) }
    }

    private func compile(_ statement: Statement, _ context: Context) throws(TemplateError) {
        let routine = context.routine
        let offset = statement.offset
        switch statement.node {
        case .text(let text):
            texts.append(Array(text.utf8))
            routine.emit(.text(Int32(texts.count - 1)), at: offset)
        case .output(let value):
            try compile(value, context)
            routine.emit(.output, at: value.offset)
        case .loop(let loop): try compile(loop, at: offset, context)
        case .condition(let branches, let otherwise): try compile(branches, otherwise: otherwise, context)
        case .set(let target, let value):
            try requireNamespaces(target, context)
            try compile(value, context)
            try assign(target, context)
        case .setBlock(let target, let filters, let body):
            let block = inner(context)
            block.scope.analyze(body)
            for filter in filters { block.scope.analyze(filter) }
            try capture(body, filters: filters, at: offset, block)
            try requireNamespaces(target, context)
            try assign(target, context)
            leave(block, at: offset)
        case .filterBlock(let filters, let body):
            let block = inner(context)
            block.scope.analyze(body)
            for filter in filters { block.scope.analyze(filter) }
            try capture(body, filters: filters, at: offset, block)
            routine.emit(.output, at: offset)
            leave(block, at: offset)
        case .macro(let name, let definition):
            let index = try compile(definition, name: name, context)
            routine.emit(.closure(index), at: offset)
            assign(name, at: offset, context)
        case .callBlock(let call, let definition): try compile(call, definition, context)
        case .with(let values, let body): try compile(values, body, at: offset, context)
        case .block(let name, let body): try compile(body, blockNamed: name, at: offset, context)
        case .generation(let body):
            let block = inner(context)
            block.scope.analyze(body)
            routine.emit(.beginGeneration, at: offset)
            enter(block, at: offset)
            try compile(body, block)
            leave(block, at: offset)
            routine.emit(.endGeneration, at: offset)
        case .breakLoop, .continueLoop:
            guard let loop = context.loop else { break }
            for _ in loop.captureCount..<context.captureCount { routine.emit(.dropCapture, at: offset) }
            if case .continueLoop = statement.node {
                routine.emit(.jump(loop.start), at: offset)
            } else {
                loop.exits.append(routine.emitJump({ .jump($0) }, at: offset))
            }
        }
    }

    /// Runs a body into a text of its own, which ends up on the stack, filtered.
    private func capture(_ body: [Statement], filters: [Expression.Postfix], at offset: Int, _ block: Context) throws(TemplateError) {
        enter(block, at: offset)
        block.routine.emit(.beginCapture, at: offset)
        var inside = block
        inside.captureCount += 1
        try compile(body, inside)
        block.routine.emit(.endCapture, at: offset)
        for filter in filters { try compile(filter, block) }
    }

    private func compile(
        _ branches: [(condition: Expression, body: [Statement])], otherwise: [Statement], _ context: Context
    ) throws(TemplateError) {
        var context = context
        context.isConditional = true
        var ends: [Int] = []
        for (condition, body) in branches {
            try compile(condition, context)
            let skip = context.routine.emitJump({ .jumpIfFalse($0) }, at: condition.offset)
            try compile(body, context)
            ends.append(context.routine.emitJump({ .jump($0) }, at: condition.offset))
            context.routine.patch(skip) { .jumpIfFalse($0) }
        }
        try compile(otherwise, context)
        for end in ends { context.routine.patch(end) { .jump($0) } }
    }

    private func compile(_ loop: Statement.Loop, at offset: Int, _ context: Context) throws(TemplateError) {
        let routine = context.routine
        var body = inner(context)
        let usesLoop = NameSearch.reads("loop", in: loop.body)
        if usesLoop { body.scope.declareParameter("loop") }
        body.scope.analyze(loop.target, asParameter: true)
        body.scope.analyze(loop.body)
        if let place = loop.assignment(to: "loop") {
            throw source.error(.syntax, at: place, "'loop' cannot be assigned to inside of a loop")
        }
        let slot = usesLoop ? body.scope.find("loop").map { routine.slot(of: $0.variable) } : nil
        let filter = try loop.filter.map { (filter) throws(TemplateError) in try compile(filter, of: loop, context) }

        try compile(loop.iterated, context)
        loops.append(Program.LoopShape(slot: slot, filter: filter))
        routine.emit(.beginLoop(Int32(loops.count - 1)), at: loop.iterated.offset)
        let start = routine.position
        let end = routine.emitJump({ .advance($0) }, at: offset)
        let jumps = LoopContext(start: start, captureCount: context.captureCount)
        body.loop = jumps
        try assign(loop.target, body)
        enter(body, at: offset)
        try compile(loop.body, body)
        if !loop.otherwise.isEmpty { routine.emit(.completeIteration, at: offset) }
        routine.emit(.jump(start), at: offset)
        routine.patch(end) { .advance($0) }
        for exit in jumps.exits { routine.patch(exit) { .jump($0) } }
        leave(body, at: offset)
        let skip = routine.emitJump({ .endLoop($0) }, at: offset)
        if !loop.otherwise.isEmpty {
            let otherwise = inner(context)
            otherwise.scope.analyze(loop.otherwise)
            enter(otherwise, at: offset)
            try compile(loop.otherwise, otherwise)
            leave(otherwise, at: offset)
        }
        routine.patch(skip) { .endLoop($0) }
    }

    /// The routine that gets an element on the stack and says whether it is looped over.
    private func compile(_ filter: Expression, of loop: Statement.Loop, _ context: Context) throws(TemplateError) -> Int {
        let routine = RoutineBuilder(name: nil, depth: context.routine.depth + 1)
        let inside = Context(scope: Scope(in: context.scope, routine: routine))
        inside.scope.analyze(loop.target, asParameter: true)
        inside.scope.analyze(filter)
        try assign(loop.target, inside)
        enter(inside, at: filter.offset)
        try compile(filter, inside)
        let reject = routine.emitJump({ .jumpIfFalse($0) }, at: filter.offset)
        routine.emit(.leaveFilter(isAccepted: true), at: filter.offset)
        routine.patch(reject) { .jumpIfFalse($0) }
        routine.emit(.leaveFilter(isAccepted: false), at: filter.offset)
        routines.append(routine.routine())
        return routines.count - 1
    }

    private func compile(
        _ values: [(target: Statement.Target, value: Expression)], _ body: [Statement], at offset: Int, _ context: Context
    ) throws(TemplateError) {
        let block = inner(context)
        for (target, _) in values { block.scope.analyze(target, asParameter: true) }
        block.scope.analyze(body)
        enter(block, at: offset)
        for (target, value) in values {
            try compile(value, context)
            try assign(target, block)
        }
        try compile(body, block)
        leave(block, at: offset)
    }

    // MARK: - Routines

    /// A macro or the body of a call block; returns its index.
    private func compile(_ definition: Statement.Routine, name: String?, _ context: Context) throws(TemplateError) -> Int32 {
        let routine = RoutineBuilder(name: name, depth: context.routine.depth + 1)
        let scope = Scope(in: context.scope, routine: routine)
        let inside = Context(scope: scope)
        let parameters = definition.parameters.map(\.name)
        for parameter in parameters { scope.declareParameter(parameter) }
        for (_, initial) in definition.parameters { initial.map(scope.analyze) }
        func provide(_ name: String) -> Int? {
            guard !parameters.contains(name), NameSearch.reads(name, in: definition.body) else { return nil }
            return routine.slot(of: scope.declareParameter(name))
        }
        routine.parameters = parameters
        routine.hasExplicitCaller = parameters.contains("caller")
        routine.parameterSlots = parameters.map { routine.slot(of: scope.declareParameter($0)) }
        routine.callerSlot = provide("caller")
        routine.keywordsSlot = provide("kwargs")
        routine.surplusSlot = provide("varargs")
        scope.analyze(definition.body)
        enter(inside, at: 0)
        for (index, (parameter, initial)) in definition.parameters.enumerated() {
            let slot = Int32(routine.parameterSlots[index])
            let offset = initial?.offset ?? 0
            let skip = routine.emitJump({ .jumpIfPassed(slot: slot, $0) }, at: offset)
            if let initial {
                try compile(initial, inside)
                routine.emit(.store(slot: slot), at: offset)
            } else {
                routine.emit(.undefinedParameter(slot: slot, name: self.name(parameter)), at: offset)
            }
            routine.patch(skip) { .jumpIfPassed(slot: slot, $0) }
        }
        try compile(definition.body, inside)
        routine.emit(.finish, at: 0)
        routines.append(routine.routine())
        return Int32(routines.count - 1)
    }

    private func compile(_ call: Expression, _ definition: Statement.Routine, _ context: Context) throws(TemplateError) {
        let index = try compile(definition, name: "caller", context)
        try compile(call, context, caller: index)
        context.routine.emit(.output, at: call.offset)
    }

    private func compile(_ body: [Statement], blockNamed name: String, at offset: Int, _ context: Context) throws(TemplateError) {
        let routine = RoutineBuilder(name: name, depth: 0)
        let inside = Context(scope: Scope(in: nil, routine: routine))
        inside.scope.analyze(body)
        enter(inside, at: offset)
        try compile(body, inside)
        routine.emit(.finish, at: offset)
        routines.append(routine.routine())
        context.routine.emit(.block(Int32(routines.count - 1)), at: offset)
    }

    // MARK: - Assignment

    /// Takes the value from the stack.
    private func assign(_ target: Statement.Target, _ context: Context) throws(TemplateError) {
        switch target.node {
        case .name(let name): assign(name, at: target.offset, context)
        case .member(let namespace, let member):
            load(namespace, at: target.offset, context)
            context.routine.emit(.setMember(name(member)), at: target.offset)
        case .tuple(let targets):
            context.routine.emit(.unpack(Int32(targets.count)), at: target.offset)
            for target in targets { try assign(target, context) }
        }
    }

    private func assign(_ name: String, at offset: Int, _ context: Context) {
        guard let (variable, scope) = context.scope.find(name) else { return }
        let slot = Int32(context.routine.slot(of: variable))
        context.routine.emit(.store(slot: slot), at: offset)
        if hasBlocks, scope.isTopLevel { context.routine.emit(.export(slot: slot, name: self.name(name)), at: offset) }
    }

    private func requireNamespaces(_ target: Statement.Target, _ context: Context) throws(TemplateError) {
        switch target.node {
        case .name: break
        case .member(let namespace, _):
            load(namespace, at: target.offset, context)
            context.routine.emit(.requireNamespace, at: target.offset)
        case .tuple(let targets): for target in targets { try requireNamespaces(target, context) }
        }
    }

    func load(_ name: String, at offset: Int, _ context: Context) {
        guard let (variable, scope) = context.scope.find(name) else { return }
        let hops = context.routine.depth - scope.routine.depth
        context.routine.emit(
            .load(slot: Int32(scope.routine.slot(of: variable)), hops: Int32(hops), name: self.name(name)), at: offset)
    }
}

extension Statement {
    /// Whether a block stands here or inside.
    fileprivate var containsBlock: Bool {
        switch node {
        case .block: true
        case .loop(let loop): (loop.body + loop.otherwise).contains { $0.containsBlock }
        case .condition(let branches, let otherwise):
            branches.contains { $0.body.contains { $0.containsBlock } } || otherwise.contains { $0.containsBlock }
        case .setBlock(_, _, let body), .filterBlock(_, let body), .with(_, let body), .generation(let body):
            body.contains { $0.containsBlock }
        case .macro(_, let routine), .callBlock(_, let routine): routine.body.contains { $0.containsBlock }
        case .text, .output, .set, .breakLoop, .continueLoop: false
        }
    }

    /// Where a name is assigned, if it is, here or inside.
    fileprivate func assignment(to name: String) -> Int? {
        func first(_ body: [Statement]) -> Int? { body.lazy.compactMap { $0.assignment(to: name) }.first }
        switch node {
        case .set(let target, _): return target.assignment(to: name)
        case .setBlock(let target, _, let body): return target.assignment(to: name) ?? first(body)
        case .loop(let loop): return loop.assignment(to: name)
        case .condition(let branches, let otherwise):
            return branches.lazy.compactMap { first($0.body) }.first ?? first(otherwise)
        case .filterBlock(_, let body), .with(_, let body), .generation(let body), .block(_, let body): return first(body)
        case .macro(_, let routine), .callBlock(_, let routine): return first(routine.body)
        case .text, .output, .breakLoop, .continueLoop: return nil
        }
    }
}

extension Statement.Loop {
    fileprivate func assignment(to name: String) -> Int? {
        target.assignment(to: name) ?? (body + otherwise).lazy.compactMap { $0.assignment(to: name) }.first
    }
}

extension Statement.Target {
    fileprivate func assignment(to name: String) -> Int? {
        switch node {
        case .name(let own): own == name ? offset : nil
        case .member: nil
        case .tuple(let targets): targets.lazy.compactMap { $0.assignment(to: name) }.first
        }
    }
}
