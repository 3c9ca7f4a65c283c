/// Members, elements, slices, calls and iteration.
extension Machine {
    // MARK: - Members

    /// `object.name`: attributes first, then elements.
    func member(_ name: Program.Name, of object: Value) throws(Fault) -> Value {
        if case .undefined(let undefined) = object { throw undefined.fault }
        if let attribute = try attribute(name, of: object) { return attribute }
        switch object {
        case .dictionary(let dictionary):
            if let value = dictionary.value(of: name.bytes) { return value }
        case .namespace(let number):
            if let value = try namespaceMember(name.text, number) { return value }
        default: break
        }
        return .undefined(Undefined(.member(typeName: object.typeName, name: name.text)))
    }

    /// What Python's `getattr` finds; nil for nothing.
    private func attribute(_ name: Program.Name, of object: Value) throws(Fault) -> Value? {
        if name.isPrivate, name.text.utf8.dropFirst().first == UInt8(ascii: "_") {
            return .undefined(Undefined(.unsafe(owner: object.typeName, name: name.text)))
        }
        switch object {
        case .string:
            if name.stringMethod != nil { return method(name, of: object) }
            if name.isUnsupportedStringMethod { throw unsupportedMethod(name, of: object) }
        case .list:
            if name.listMethod != nil { return method(name, of: object) }
            if name.changesLists { return unsafe(name, of: object) }
        case .tuple: if name.listMethod == .count || name.listMethod == .index { return method(name, of: object) }
        case .dictionary:
            if name.dictionaryMethod != nil { return method(name, of: object) }
            if name.changesMappings { return unsafe(name, of: object) }
            if name.isFromKeys { throw unsupportedMethod(name, of: object) }
        case .loop(let number): return try loopMember(name.text, number)
        case .macro(let number):
            let routine = program.routines[closures[number].routine]
            switch name.text {
            case "name": return routine.name.map { .string($0) } ?? Value.none
            case "arguments": return .tuple(try ValueList(routine.parameters.map { .string($0) }))
            default: break
            }
        case .bool, .integer, .double:
            guard let number = Number(object) else { break }
            switch name.text {
            case "real": return number.value
            case "imag": if case .double = number { return .double(0) } else { return .integer(0) }
            case "numerator": if case .integer = number { return number.value }
            case "denominator": if case .integer = number { return .integer(1) }
            case "is_integer", "bit_length", "bit_count", "conjugate", "as_integer_ratio", "to_bytes", "hex":
                throw unsupportedMethod(name, of: object)
            default: break
            }
        case .range(let range):
            switch name.text {
            case "start": return .integer(range.start)
            case "step": return .integer(range.step)
            case "count", "index", "stop": throw unsupportedMethod(name, of: object)
            default: break
            }
        default: break
        }
        return nil
    }

    private func method(_ name: Program.Name, of object: Value) -> Value {
        .method(BoundMethod(receiver: object, name: name.text))
    }

    private func unsafe(_ name: Program.Name, of object: Value) -> Value {
        .undefined(Undefined(.unsafe(owner: object.typeName, name: name.text)))
    }

    private func unsupportedMethod(_ name: Program.Name, of object: Value) -> Fault {
        Fault(.unsupported, "'\(name.text)' of type '\(object.typeName)' is not supported")
    }

    // MARK: - Elements

    /// `object[index]`: elements first, then attributes.
    func element(_ index: Value, of object: Value) throws(Fault) -> Value {
        switch (object, index) {
        case (.undefined(let undefined), _): throw undefined.fault
        case (.dictionary(let dictionary), _):
            if let key = try hashable(index), let value = try dictionary.value(of: key, budget) { return value }
        case (.namespace(let number), .string(let name)):
            if let value = try namespaceMember(name.text, number) { return value }
        case (.list(let list), _), (.tuple(let list), _):
            if let position = position(index, count: list.elements.count) { return list.elements[position] }
        case (.string(let string), _):
            if let position = position(index, count: string.scalarCount) {
                try budget.spend(work: string.isASCII ? 0 : string.byteCount)
                return .string(string.scalars(position..<position + 1))
            }
        case (.range(let range), _):
            if let position = position(index, count: range.count) { return .integer(range[position]) }
        default: break
        }
        if case .string(let text) = index {
            let name = try name(text)
            if let attribute = try attribute(name, of: object) { return attribute }
            return .undefined(Undefined(.member(typeName: object.typeName, name: name.text)))
        }
        let shown = index.depth == 0 ? try representation(of: index).text : "of type '\(index.typeName)'"
        return .undefined(Undefined(.element(typeName: object.typeName, name: shown)))
    }

    /// A name that the template has computed; templates ask for few, and for those often.
    private func name(_ text: TemplateString) throws(Fault) -> Program.Name {
        try budget.spend(work: text.byteCount)
        if let known = computedNames[text] { return known }
        try budget.spend(bytes: text.byteCount + 256)
        let name = Program.Name(text.text)
        computedNames[text] = name
        return name
    }

    /// What can be no key is no key of the mapping, and no error.
    private func hashable(_ index: Value) throws(Fault) -> Value? {
        do throws(Fault) { _ = try ValueDictionary.Key(index, budget) } catch {
            guard error.kind == .value else { throw error }
            return nil
        }
        return index
    }

    private func position(_ index: Value, count: Int) -> Int? {
        guard case .integer(let index)? = Number(index) else { return nil }
        let position = index < 0 ? index + count : index
        return (0..<count).contains(position) ? position : nil
    }

    func slice(_ object: Value, start: Value, stop: Value, step: Value) throws(Fault) -> Value {
        let count: Int
        switch object {
        case .undefined(let undefined): throw undefined.fault
        case .string(let string): count = string.scalarCount
        case .list(let list), .tuple(let list): count = list.elements.count
        case .range(let range): count = range.count
        default: throw .value("'\(object.typeName)' object cannot be sliced")
        }
        let slice = try Slice(start: start, stop: stop, step: step, count: count)
        switch object {
        case .string(let string): return .string(try slice.apply(to: string, budget))
        case .range(let range):
            // A step that is too large for a number leads nowhere.
            let (step, overflows) = range.step.multipliedReportingOverflow(by: slice.step)
            return .range(
                ValueRange(start: slice.count > 0 ? range[slice.start] : 0, step: overflows ? .max : step, count: slice.count))
        case .list(let list): return .list(try slice.apply(to: list, budget))
        case .tuple(let list): return .tuple(try slice.apply(to: list, budget))
        default: return object
        }
    }

    // MARK: - Calls

    /// Pushes the result, or begins a macro that will.
    func call(_ callee: Value, _ arguments: CallArguments) throws(Fault) {
        switch callee {
        case .macro(let number): try beginMacro(number, arguments)
        case .function(let function): push(try call(function, arguments))
        case .method(let method): try callMember(Program.Name(method.name), of: method.receiver, arguments)
        case .undefined(let undefined): throw undefined.fault
        default: throw .value("'\(callee.typeName)' object is not callable")
        }
    }

    func callMember(_ name: Program.Name, of object: Value, _ arguments: CallArguments) throws(Fault) {
        switch object {
        case .string(let string):
            if let method = name.stringMethod { return push(try call(method, of: string, arguments)) }
        case .list(let list):
            if let method = name.listMethod { return push(try call(method, of: list, arguments)) }
        case .tuple(let list):
            if let method = name.listMethod, method != .copy { return push(try call(method, of: list, arguments)) }
        case .dictionary(let dictionary):
            if let method = name.dictionaryMethod { return push(try call(method, of: dictionary, arguments)) }
        case .loop(let number):
            if let value = try callLoop(name.text, number, arguments) { return push(value) }
        default: break
        }
        try call(try member(name, of: object), arguments)
    }

    // MARK: - Iteration

    func source(of value: Value) throws(Fault) -> LoopState.Source {
        switch value {
        case .undefined: .values([], next: 0)
        case .list(let list), .tuple(let list): .values(list.elements, next: 0)
        case .dictionary(let dictionary): .values(dictionary.keys, next: 0)
        case .string(let string): .string(string, offset: string.start)
        case .range(let range): .range(range, next: 0)
        case .iterator(let iterator): .iterator(iterator)
        case .view(let view):
            switch view.kind {
            case .keys: .values(view.dictionary.keys, next: 0)
            case .values: .values(view.dictionary.values, next: 0)
            case .items: .items(view.dictionary, next: 0)
            }
        default: throw .value("'\(value.typeName)' object is not iterable")
        }
    }

    /// All elements of what can be gone through.
    func elements(of value: Value, as message: String? = nil) throws(Fault) -> [Value] {
        switch value {
        case .list(let list), .tuple(let list):
            try budget.spend(elements: list.elements.count)
            return list.elements
        default: break
        }
        var source: LoopState.Source
        do throws(Fault) { source = try self.source(of: value) } catch { throw message.map { .value($0) } ?? error }
        var elements: [Value] = []
        try budget.spend(source.remainingCount, times: 32)
        while let element = try source.next() { elements.append(element) }
        return elements
    }

    func unpack(_ value: Value, into count: Int) throws(Fault) {
        if case .undefined = value, count > 0 { throw .value("not enough values to unpack (expected \(count), got 0)") }
        let elements = try elements(of: value, as: "cannot unpack non-iterable \(value.typeName) object")
        guard elements.count == count else {
            throw .value(
                elements.count > count
                    ? "too many values to unpack (expected \(count))"
                    : "not enough values to unpack (expected \(count), got \(elements.count))")
        }
        stack += elements.reversed()
    }

    /// `len`; nil for what has no length.
    func length(of value: Value) -> Int? {
        switch value {
        case .undefined: 0
        case .string(let string): string.scalarCount
        case .list(let list), .tuple(let list): list.elements.count
        case .dictionary(let dictionary): dictionary.count
        case .view(let view): view.dictionary.count
        case .range(let range): range.count
        case .loop(let number): loops[number].knownLength
        default: nil
        }
    }

    // MARK: - Namespaces and loops

    private func namespaceMember(_ name: String, _ number: Int) throws(Fault) -> Value? {
        try budget.spend(elements: namespaces[number].count)
        return namespaces[number].first { $0.name.string?.equals(name) ?? false }?.value
    }

    func set(_ name: String, to value: Value, inNamespace number: Int) throws(Fault) {
        guard !Program.Name.isPrivate(name) else {
            throw Fault(
                .security, "chat templates cannot store underscore-prefixed attributes on a namespace, but got '\(name)'")
        }
        try budget.spend(elements: namespaces[number].count)
        if let index = namespaces[number].firstIndex(where: { $0.name.string?.equals(name) ?? false }) {
            namespaces[number][index].value = value
        } else {
            try budget.spend(bytes: 64)
            namespaces[number].append((.string(name), value))
        }
    }

    private func loopMember(_ name: String, _ number: Int) throws(Fault) -> Value? {
        let loop = loops[number]
        switch name {
        case "index": return .integer(loop.index + 1)
        case "index0": return .integer(loop.index)
        case "first": return .bool(loop.index == 0)
        case "last": return .bool(loop.next == nil)
        case "length": return .integer(loop.knownLength)
        case "revindex": return .integer(loop.knownLength - loop.index)
        case "revindex0": return .integer(loop.knownLength - loop.index - 1)
        case "depth": return .integer(1)
        case "depth0": return .integer(0)
        case "previtem": return loop.previous ?? .undefined(Undefined(.hint("there is no previous item")))
        case "nextitem": return loop.next ?? .undefined(Undefined(.hint("there is no next item")))
        case "cycle", "changed": return .method(BoundMethod(receiver: .loop(number), name: name))
        default: return nil
        }
    }

    private func callLoop(_ name: String, _ number: Int, _ arguments: CallArguments) throws(Fault) -> Value? {
        let loop = loops[number]
        switch name {
        case "cycle":
            guard !arguments.positional.isEmpty, arguments.keywords.isEmpty else { throw .value("no items for cycling given") }
            return arguments.positional[max(loop.index, 0) % arguments.positional.count]
        case "changed":
            if let last = loop.lastChanged, last.count == arguments.positional.count {
                var isSame = true
                for (old, new) in zip(last, arguments.positional) where isSame { isSame = try isEqual(old, new) }
                if isSame { return .bool(false) }
            }
            loop.lastChanged = arguments.positional
            return .bool(true)
        default: return nil
        }
    }
}
