/// Runs one rendering of a program.
///
/// Values are on one stack, running routines on another; Swift functions call each other to no depth that a template decides,
/// but for values inside each other, which `TemplateLimits.valueDepth` bounds.
///
/// A machine belongs to one rendering and one thread, and no access to its state calls back into it: checking that again at every
/// instruction took a third of the time, so it is not done here, nor in what it consists of.
final class Machine {
    struct Frame {
        enum Purpose { case template, macro, block, filter }

        let routine: Int
        let purpose: Purpose
        let activation: Activation
        var position = 0
    }

    struct Closure {
        let routine: Int
        let activation: Activation
    }

    let program: Program
    let limits: TemplateLimits
    let budget: Budget
    let clock: TemplateClock
    private let variables: [String: Value]
    @exclusivity(unchecked) private var exports: [Int32: Value] = [:]
    /// Literals, made into values when they are first needed.
    @exclusivity(unchecked) private var constants: [Value?]

    @exclusivity(unchecked) var computedNames: [TemplateString: Program.Name] = [:]
    @exclusivity(unchecked) var stack: [Value] = []
    @exclusivity(unchecked) private var frames: [Frame] = []
    /// Of the innermost frame: where it goes on. The frames around it have theirs in themselves.
    @exclusivity(unchecked) private var position = 0
    @exclusivity(unchecked) private var loopStack: [Int] = []
    @exclusivity(unchecked) var loops: [LoopState] = []
    @exclusivity(unchecked) var closures: [Closure] = []
    @exclusivity(unchecked) var namespaces: [[(name: Value, value: Value)]] = []
    @exclusivity(unchecked) private var buffers: [TextBuffer] = [TextBuffer()]
    @exclusivity(unchecked) private var generationCount: UInt32 = 0
    /// Open `{% generation %}` blocks, and at which of `buffers` each writes.
    @exclusivity(unchecked) private var generations: [(number: UInt32, bufferCount: Int)] = []

    init(_ program: Program, variables: [String: Value], limits: TemplateLimits, budget: Budget, clock: TemplateClock) {
        self.program = program
        self.variables = variables
        self.limits = limits
        self.budget = budget
        self.clock = clock
        constants = Array(repeating: nil, count: program.constants.count)
    }

    func render() throws(TemplateError) -> TextBuffer {
        frames = [Frame(routine: 0, purpose: .template, activation: Activation(slotCount: program.routines[0].slotCount, outer: nil))]
        do throws(Fault) {
            try run()
        } catch {
            throw program.source.error(error.kind, at: offset, error.message)
        }
        return buffers[0]
    }

    /// Where the instruction that is being run comes from; for those without a place of their own, the one that called.
    private var offset: Int {
        for (depth, frame) in frames.enumerated().reversed() {
            let offsets = program.routines[frame.routine].offsets
            let index = max((depth + 1 == frames.count ? position : frame.position) - 1, 0)
            if index < offsets.count, offsets[index] > 0 { return Int(offsets[index]) }
        }
        return 0
    }

    // MARK: - The loop

    private func run() throws(Fault) {
        while let frame = frames.last {
            let code = program.routines[frame.routine].code
            let activation = frame.activation
            let depth = frames.count
            // Until another routine begins or this one ends.
            while frames.count == depth {
                try budget.step()
                let instruction = code[position]
                position += 1
                if let target = try execute(instruction, activation) { position = Int(target) }
            }
        }
    }

    func pop() -> Value { stack.removeLast() }

    func push(_ value: Value) { stack.append(value) }

    private func pop(_ count: Int32) -> [Value] {
        guard count > 0 else { return [] }
        let values = Array(stack.suffix(Int(count)))
        stack.removeLast(Int(count))
        return values
    }

    /// Runs one instruction; returns where to go on, if that is not the next one.
    private func execute(_ instruction: Instruction, _ activation: Activation) throws(Fault) -> Int32? {
        switch instruction {
        case .constant(let index): push(constant(index))
        case .load(let slot, let hops, let name):
            let value = (hops == 0 ? activation : activation.outward(hops)).slots[Int(slot)]
            if case .missing = value { push(.undefined(Undefined(.name(text(of: name))))) } else { push(value) }
        case .store(let slot): activation.slots[Int(slot)] = pop()
        case .resolve(let slot, let name): activation.slots[Int(slot)] = resolve(name)
        case .alias(let slot, let outer, let hops): activation.slots[Int(slot)] = activation.outward(hops).slots[Int(outer)]
        case .clear(let slot): activation.slots[Int(slot)] = .missing
        case .export(let slot, let name): exports[name] = activation.slots[Int(slot)]
        case .list(let count):
            try budget.spend(Int(count), times: 32)
            push(.list(try ValueList(pop(count))))
        case .tuple(let count):
            try budget.spend(Int(count), times: 32)
            push(.tuple(try ValueList(pop(count))))
        case .dictionary(let count):
            let flat = pop(count * 2)
            push(.dictionary(try ValueDictionary((0..<Int(count)).map { (flat[$0 * 2], flat[$0 * 2 + 1]) }, budget)))
        case .negate: push(try negated(pop()))
        case .plus: push(try plus(pop()))
        case .not: push(.bool(!(try isTrue(pop()))))
        case .arithmetic(let operation):
            let right = pop()
            push(try arithmetic(operation, pop(), right))
        case .concatenate(let count): push(.string(try concatenated(pop(count))))
        case .compare(let operation):
            let right = pop()
            push(.bool(try compare(operation, pop(), right)))
        case .compareChained(let operation, let end):
            let right = pop()
            guard try compare(operation, pop(), right) else {
                push(.bool(false))
                return end
            }
            push(right)
        case .undefinedCondition:
            push(.undefined(Undefined(.hint("the condition is false, and there is no 'else' to take a value from"))))
        default: return try executeAccess(instruction, activation)
        }
        return nil
    }

    private func executeAccess(_ instruction: Instruction, _ activation: Activation) throws(Fault) -> Int32? {
        switch instruction {
        case .member(let name):
            if try looksAhead(program.names[Int(name)].text, at: stack.count - 1) { return nil }
            push(try member(program.names[Int(name)], of: pop()))
        case .subscripted:
            let index = pop()
            push(try element(index, of: pop()))
        case .slice:
            let bounds = pop(3)
            push(try slice(pop(), start: bounds[0], stop: bounds[1], step: bounds[2]))
        case .call(let shape):
            let arguments = try popArguments(shape)
            try call(pop(), arguments)
        case .callMember(let name, let shape):
            let operandCount = program.shapes[Int(shape)].operandCount
            if try looksAhead(program.names[Int(name)].text, at: stack.count - 1 - operandCount) { return nil }
            let arguments = try popArguments(shape)
            try callMember(program.names[Int(name)], of: pop(), arguments)
        case .filter(let filter, let shape):
            let arguments = try popArguments(shape)
            push(try apply(filter, to: pop(), arguments))
        case .test(let test, let shape):
            let arguments = try popArguments(shape)
            push(.bool(try check(test, pop(), arguments)))
        case .missing(let isFilter, let name):
            throw Fault(.unsupported, isFilter ? TemplateFilter.missing(text(of: name)) : TemplateTest.missing(text(of: name)))
        case .unpack(let count): try unpack(pop(), into: Int(count))
        case .requireNamespace:
            let value = pop()
            if case .undefined(let undefined) = value { throw undefined.fault }
            guard case .namespace = value else {
                throw .value("only members of a namespace can be assigned, this is of type '\(value.typeName)'")
            }
        case .setMember(let name):
            guard case .namespace(let number) = pop() else { throw .value("only members of a namespace can be assigned") }
            try set(program.names[Int(name)].text, to: pop(), inNamespace: number)
        default: return try executeControl(instruction, activation)
        }
        return nil
    }

    private func executeControl(_ instruction: Instruction, _ activation: Activation) throws(Fault) -> Int32? {
        switch instruction {
        case .jump(let target): return target
        case .jumpIfFalse(let target): if !(try isTrue(pop())) { return target }
        case .jumpIfFalseOrPop(let target):
            if !(try isTrue(stack[stack.count - 1])) { return target }
            _ = pop()
        case .jumpIfTrueOrPop(let target):
            if try isTrue(stack[stack.count - 1]) { return target }
            _ = pop()
        case .jumpIfPassed(let slot, let target):
            if case .missing = activation.slots[Int(slot)] { return nil }
            return target
        case .undefinedParameter(let slot, let name):
            activation.slots[Int(slot)] = .undefined(Undefined(.hint("parameter '\(text(of: name))' was not provided")))
        case .beginLoop(let index): try beginLoop(program.loops[Int(index)], activation)
        case .advance(let end): return try advance(orEndAt: end, activation)
        case .completeIteration: loops[loopStack[loopStack.count - 1]].isCompleted = true
        case .endLoop(let end): if endLoop().isCompleted { return end }
        case .leaveFilter(let isAccepted):
            _ = leave()
            filtering.removeLast().decide(isAccepted: isAccepted)
        case .finish: try finish()
        default: try executeOutput(instruction, activation)
        }
        return nil
    }

    private func executeOutput(_ instruction: Instruction, _ activation: Activation) throws(Fault) {
        switch instruction {
        case .text(let index):
            let bytes = program.texts[Int(index)]
            try spendOutput(bytes.count)
            buffers[buffers.count - 1].append(bytes, mark: Mark.template.inGeneration(generation))
        case .output: try output(pop())
        case .beginCapture: buffers.append(TextBuffer())
        case .endCapture: push(.string(TemplateString(buffers.removeLast())))
        case .dropCapture: buffers.removeLast()
        case .beginGeneration:
            generationCount += 1
            generations.append((generationCount, buffers.count))
        case .endGeneration: generations.removeLast()
        case .closure(let routine):
            try budget.spend(bytes: 64)
            closures.append(Closure(routine: Int(routine), activation: activation))
            push(.macro(closures.count - 1))
        case .block(let routine):
            try begin(Int(routine), .block, Activation(slotCount: program.routines[Int(routine)].slotCount, outer: nil))
        default: break
        }
    }

    // MARK: - Names

    func text(of name: Int32) -> String { program.names[Int(name)].text }

    private func constant(_ index: Int32) -> Value {
        if let value = constants[Int(index)] { return value }
        let value: Value =
            switch program.constants[Int(index)] {
            case .none: .none
            case .bool(let value): .bool(value)
            case .integer(let value): .integer(value)
            case .double(let value): .double(value)
            case .string(let bytes): .string(TemplateString(bytes, mark: .template))
            }
        constants[Int(index)] = value
        return value
    }

    private func resolve(_ name: Int32) -> Value {
        if let exported = exports[name] { return exported }
        let text = text(of: name)
        if let value = variables[text] { return value }
        return GlobalFunction(rawValue: text).map { .function($0) } ?? .missing
    }

    // MARK: - Output

    /// The block that marks what is written now. What goes to a text of its own is marked when that text is written.
    private var generation: UInt32 {
        guard let last = generations.last, last.bufferCount == buffers.count else { return 0 }
        return last.number
    }

    /// Counted against the output where it goes to the output, else against memory.
    private func spendOutput(_ byteCount: Int) throws(Fault) {
        try budget.spend(bytes: byteCount)
        guard buffers.count == 1, buffers[0].bytes.count + byteCount > limits.outputByteCount else { return }
        throw Fault(.limit, "the template writes more than \(limits.outputByteCount) bytes")
    }

    private func output(_ value: Value) throws(Fault) {
        let string = try string(of: value)
        try spendOutput(string.byteCount)
        buffers[buffers.count - 1].append(string, inGeneration: generation)
    }

    // MARK: - Routines

    private func begin(_ routine: Int, _ purpose: Frame.Purpose, _ activation: Activation) throws(Fault) {
        guard frames.count <= limits.callDepth else {
            throw Fault(.limit, "macros call each other more than \(limits.callDepth) deep")
        }
        try budget.spend(bytes: 96 + 32 * activation.slots.count)
        frames[frames.count - 1].position = position
        frames.append(Frame(routine: routine, purpose: purpose, activation: activation))
        position = 0
    }

    private func leave() -> Frame {
        let frame = frames.removeLast()
        position = frames.last?.position ?? 0
        return frame
    }

    private func finish() throws(Fault) {
        let frame = leave()
        guard frame.purpose == .macro else { return }
        push(.string(TemplateString(buffers.removeLast())))
    }

    func beginMacro(_ number: Int, _ arguments: CallArguments) throws(Fault) {
        let closure = closures[number]
        let routine = program.routines[closure.routine]
        let activation = Activation(slotCount: routine.slotCount, outer: closure.activation)
        try bind(arguments, to: routine, activation)
        try begin(closure.routine, .macro, activation)
        buffers.append(TextBuffer())
    }

    private func bind(_ arguments: CallArguments, to routine: Program.Routine, _ activation: Activation) throws(Fault) {
        let name = routine.name ?? "caller"
        let count = routine.parameters.count
        for (slot, value) in zip(routine.parameterSlots, arguments.positional) { activation.slots[slot] = value }
        var keywords: [(name: String, value: Value)] = []
        var caller: Value?
        try budget.spend(elements: arguments.keywords.count * (count + 1))
        for (keyword, value) in arguments.keywords {
            if let index = routine.parameters.firstIndex(of: keyword), index >= arguments.positional.count {
                activation.slots[routine.parameterSlots[index]] = value
            } else if keyword == "caller", routine.callerSlot != nil {
                caller = value
            } else {
                keywords.append((keyword, value))
            }
        }
        if let slot = routine.callerSlot {
            activation.slots[slot] = caller ?? .undefined(Undefined(.hint("No caller defined")))
        }
        if let slot = routine.keywordsSlot {
            activation.slots[slot] = .dictionary(try ValueDictionary(keywords.map { (.string($0.name), $0.value) }, budget))
        } else if let first = keywords.first {
            throw .value("macro '\(name)' takes no keyword argument '\(first.name)'")
        }
        if let slot = routine.surplusSlot {
            activation.slots[slot] = .tuple(try ValueList(Array(arguments.positional.dropFirst(count))))
        } else if arguments.positional.count > count {
            throw .value("macro '\(name)' takes not more than \(count) argument(s)")
        }
    }

    private func popArguments(_ index: Int32) throws(Fault) -> CallArguments {
        let shape = program.shapes[Int(index)]
        var arguments = CallArguments()
        guard shape.operandCount > 0 else { return arguments }
        let mapping = shape.hasMapping ? pop() : nil
        let list = shape.hasList ? pop() : nil
        if !shape.keywords.isEmpty {
            for (name, value) in zip(shape.keywords, pop(Int32(shape.keywords.count))) { arguments.keywords.append((name, value)) }
        }
        arguments.positional = pop(Int32(shape.positionalCount))
        if let list { arguments.positional += try elements(of: list) }
        if let mapping {
            guard case .dictionary(let dictionary) = mapping else {
                throw .value("argument after ** must be a mapping, not \(mapping.typeName)")
            }
            try budget.spend(elements: dictionary.count)
            for (key, value) in zip(dictionary.keys, dictionary.values) {
                guard case .string(let key) = key else { throw .value("keywords must be strings") }
                arguments.keywords.append((key.text, value))
            }
        }
        return arguments
    }

    // MARK: - Loops

    private func beginLoop(_ shape: Program.LoopShape, _ activation: Activation) throws(Fault) {
        let source = try source(of: pop())
        try budget.spend(bytes: 128)
        loops.append(LoopState(source, filter: shape.filter, activation: activation, slot: shape.slot))
        loopStack.append(loops.count - 1)
    }

    private func advance(orEndAt end: Int32, _ activation: Activation) throws(Fault) -> Int32? {
        let number = loopStack[loopStack.count - 1]
        let loop = loops[number]
        while loop.aheadCount == 0 {
            if loop.isExhausted { return end }
            if try look(in: loop) { return nil }
        }
        guard let value = loop.advance() else { return end }
        if let slot = loop.slot { activation.slots[slot] = .loop(number) }
        push(value)
        return nil
    }

    private func endLoop() -> LoopState {
        let number = loopStack.removeLast()
        let loop = loops[number]
        // Nobody can have kept a loop that has no name.
        if loop.slot == nil, number == loops.count - 1 { loops.removeLast() }
        return loop
    }

    /// Loops whose filters are running.
    @exclusivity(unchecked) private var filtering: [LoopState] = []

    /// Takes one element from the source. True where its filter runs first: then the instruction is to be run once more.
    private func look(in loop: LoopState) throws(Fault) -> Bool {
        try budget.step()
        guard let candidate = try loop.look(), let filter = loop.filter else { return false }
        position -= 1
        try begin(filter, .filter, Activation(slotCount: program.routines[filter].slotCount, outer: loop.activation))
        filtering.append(loop)
        push(candidate)
        return true
    }

    /// Sees to it that a loop knows what its member needs. True where a filter runs first.
    private func looksAhead(_ member: String, at index: Int) throws(Fault) -> Bool {
        guard index >= 0, case .loop(let number) = stack[index] else { return false }
        let loop = loops[number]
        let needsAll: Bool
        switch member {
        case "last", "nextitem": needsAll = false
        case "length", "revindex", "revindex0": needsAll = loop.filter != nil
        default: return false
        }
        while !loop.isExhausted, needsAll || loop.aheadCount == 0 {
            if try look(in: loop) { return true }
        }
        return false
    }
}
