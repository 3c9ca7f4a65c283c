import Platform

/// Python's operators.
extension Machine {
    // MARK: - Truth and equality

    func isTrue(_ value: Value) throws(Fault) -> Bool {
        switch value {
        case .missing, .undefined, .none: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .double(let value): value != 0
        case .string(let string): !string.isEmpty
        case .list(let list), .tuple(let list): !list.elements.isEmpty
        case .dictionary(let dictionary): !dictionary.isEmpty
        case .range(let range): range.count > 0
        case .view(let view): !view.dictionary.isEmpty
        case .loop(let number): loops[number].knownLength > 0
        case .hugeInteger, .iterator, .namespace, .macro, .method, .function: true
        }
    }

    func isEqual(_ left: Value, _ right: Value) throws(Fault) -> Bool {
        try budget.step()
        switch (left, right) {
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            return try areEqual(left.elements, right.elements)
        case (.dictionary(let left), .dictionary(let right)): return try areEqual(left, right)
        default: return try areSimplyEqual(left, right)
        }
    }

    /// Of values that contain no others: what calls itself keeps little on the stack.
    private func areSimplyEqual(_ left: Value, _ right: Value) throws(Fault) -> Bool {
        switch (left, right) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let left), .string(let right)):
            try budget.spend(work: min(left.byteCount, right.byteCount))
            return TemplateString.isEqual(left, right)
        case (.range(let left), .range(let right)):
            guard left.count == right.count else { return false }
            return left.count == 0 || left.start == right.start && (left.count == 1 || left.step == right.step)
        case (.hugeInteger(let left), .hugeInteger(let right)): return left.literal == right.literal
        case (.namespace(let left), .namespace(let right)), (.macro(let left), .macro(let right)), (.loop(let left), .loop(let right)):
            return left == right
        case (.iterator(let left), .iterator(let right)): return left === right
        case (.function(let left), .function(let right)): return left == right
        default:
            guard let left = Number(left), let right = Number(right) else { return false }
            return Number.compare(left, right) == .equal
        }
    }

    private func areEqual(_ left: [Value], _ right: [Value]) throws(Fault) -> Bool {
        guard left.count == right.count else { return false }
        for index in left.indices where !(try isEqual(left[index], right[index])) { return false }
        return true
    }

    private func areEqual(_ left: ValueDictionary, _ right: ValueDictionary) throws(Fault) -> Bool {
        guard left.count == right.count else { return false }
        for (key, value) in zip(left.keys, left.values) {
            guard let other = try right.value(of: key, budget), try isEqual(value, other) else { return false }
        }
        return true
    }

    // MARK: - Comparison

    func compare(_ operation: Comparison, _ left: Value, _ right: Value) throws(Fault) -> Bool {
        switch operation {
        case .equal: return try isEqual(left, right)
        case .notEqual: return !(try isEqual(left, right))
        case .isIn: return try contains(right, left)
        case .isNotIn: return !(try contains(right, left))
        case .less, .lessOrEqual, .greater, .greaterOrEqual:
            let order = try order(left, right, operation)
            switch operation {
            case .less: return order == .less
            case .lessOrEqual: return order == .less || order == .equal
            case .greater: return order == .greater
            default: return order == .greater || order == .equal
            }
        }
    }

    func order(_ left: Value, _ right: Value, _ operation: Comparison) throws(Fault) -> Number.Order {
        try budget.step()
        switch (left, right) {
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            return try order(left.elements, right.elements, operation)
        default: return try orderSimply(left, right, operation)
        }
    }

    private func order(_ left: [Value], _ right: [Value], _ operation: Comparison) throws(Fault) -> Number.Order {
        for index in 0..<min(left.count, right.count) where !(try isEqual(left[index], right[index])) {
            return try order(left[index], right[index], operation)
        }
        return Number.compare(.integer(left.count), .integer(right.count))
    }

    private func orderSimply(_ left: Value, _ right: Value, _ operation: Comparison) throws(Fault) -> Number.Order {
        switch (left, right) {
        case (.string(let left), .string(let right)):
            try budget.spend(work: min(left.byteCount, right.byteCount))
            // UTF-8 is ordered as its scalars are.
            return TemplateString.isEqual(left, right) ? .equal : left.bytes.lexicographicallyPrecedes(right.bytes) ? .less : .greater
        default:
            for side in [left, right] { if case .undefined(let undefined) = side { throw undefined.fault } }
            guard let leftNumber = Number(left), let rightNumber = Number(right) else {
                if case .hugeInteger = left { throw Self.huge }
                if case .hugeInteger = right { throw Self.huge }
                throw .value(
                    "'\(operation.rawValue)' not supported between instances of '\(left.typeName)' and '\(right.typeName)'")
            }
            return Number.compare(leftNumber, rightNumber)
        }
    }

    static let huge = Fault(.unsupported, "calculating with whole numbers beyond 64 bits is not supported")

    func contains(_ container: Value, _ value: Value) throws(Fault) -> Bool {
        switch container {
        case .string(let string):
            guard case .string(let part) = value else {
                throw .value("'in <string>' requires string as left operand, not \(value.typeName)")
            }
            try budget.spend(work: string.byteCount)
            return string.firstRange(of: part) != nil
        case .dictionary(let dictionary): return try dictionary.value(of: value, budget) != nil
        case .view(let view) where view.kind == .keys: return try view.dictionary.value(of: value, budget) != nil
        case .namespace: throw .value("argument of type 'TemplateNamespace' is not iterable")
        case .range(let range):
            guard let number = Number(value) else { return false }
            guard case .integer(let integer) = number.simplified else { return false }
            let (distance, overflows) = integer.subtractingReportingOverflow(range.start)
            let (index, isTooFar) = distance.dividedReportingOverflow(by: range.step)
            return !overflows && !isTooFar && (0..<range.count).contains(index) && range[index] == integer
        default:
            // An iterator is gone through up to the element, and no further.
            var source: LoopState.Source
            do throws(Fault) { source = try self.source(of: container) } catch {
                throw .value("argument of type '\(container.typeName)' is not iterable")
            }
            while let element = try source.next() { if try isEqual(element, value) { return true } }
            return false
        }
    }

    // MARK: - Arithmetic

    func negated(_ value: Value) throws(Fault) -> Value {
        switch Number(value) {
        case .integer(let integer):
            guard integer != .min else { throw Self.huge }
            return .integer(-integer)
        case .double(let double): return .double(-double)
        case nil: throw badOperand("-", value)
        }
    }

    func plus(_ value: Value) throws(Fault) -> Value {
        guard let number = Number(value) else { throw badOperand("+", value) }
        return number.value
    }

    private func badOperand(_ sign: String, _ value: Value) -> Fault {
        if case .undefined(let undefined) = value { return undefined.fault }
        if case .hugeInteger = value { return Self.huge }
        return .value("bad operand type for unary \(sign): '\(value.typeName)'")
    }

    func arithmetic(_ operation: Arithmetic, _ left: Value, _ right: Value) throws(Fault) -> Value {
        if case .string(let format) = left, operation == .modulo { return .string(try formatted(percent: format, right)) }
        for side in [left, right] { if case .undefined(let undefined) = side { throw undefined.fault } }
        if let leftNumber = Number(left), let rightNumber = Number(right) {
            return try Number.calculate(operation, leftNumber, rightNumber)
        }
        switch (operation, left, right) {
        case (.add, .string(let left), .string(let right)): return .string(try joined(left, right))
        case (.add, .list(let left), .list(let right)): return .list(try joined(left, right))
        case (.add, .tuple(let left), .tuple(let right)): return .tuple(try joined(left, right))
        case (.multiply, .string(let string), _), (.multiply, _, .string(let string)):
            if let count = repetitions(left, right) { return .string(try repeated(string, count)) }
        case (.multiply, .list(let list), _), (.multiply, _, .list(let list)):
            if let count = repetitions(left, right) { return .list(try repeated(list, count)) }
        case (.multiply, .tuple(let list), _), (.multiply, _, .tuple(let list)):
            if let count = repetitions(left, right) { return .tuple(try repeated(list, count)) }
        default: break
        }
        throw unsupported(operation, left, right)
    }

    private func unsupported(_ operation: Arithmetic, _ left: Value, _ right: Value) -> Fault {
        for side in [left, right] { if case .hugeInteger = side { return Self.huge } }
        switch (operation, left) {
        case (.add, .string), (.add, .list), (.add, .tuple):
            return .value(
                "can only concatenate \(left.typeName) (not \"\(right.typeName)\") to \(left.typeName)")
        default:
            return .value(
                "unsupported operand type(s) for \(operation.rawValue): '\(left.typeName)' and '\(right.typeName)'")
        }
    }

    /// The whole number beside a sequence; nil where there is none.
    private func repetitions(_ left: Value, _ right: Value) -> Int? {
        for side in [left, right] { if case .integer(let count)? = Number(side) { return max(count, 0) } }
        return nil
    }

    /// `+` of strings. Where one is Markup the other is escaped.
    private func joined(_ left: TemplateString, _ right: TemplateString) throws(Fault) -> TemplateString {
        guard left.isMarkup != right.isMarkup else {
            try budget.spend(bytes: right.byteCount + 32)
            return left.appending(right, isMarkup: left.isMarkup)
        }
        return try escaped(left).appending(try escaped(right), isMarkup: true)
    }

    private func joined(_ left: ValueList, _ right: ValueList) throws(Fault) -> ValueList {
        try budget.spend(left.elements.count + right.elements.count, times: 32)
        return try ValueList(left.elements + right.elements)
    }

    func repeated(_ string: TemplateString, _ count: Int) throws(Fault) -> TemplateString {
        try budget.spend(count, times: string.byteCount)
        guard count > 0, !string.isEmpty else { return TemplateString.empty.markup(string.isMarkup) }
        // By doubling, so that a string of one byte is not copied byte by byte.
        let buffer = TextBuffer()
        buffer.append(string)
        while buffer.bytes.count <= string.byteCount * count / 2 { buffer.append(TemplateString(buffer)) }
        let rest = string.byteCount * count - buffer.bytes.count
        buffer.append(TemplateString(buffer).piece(0..<rest))
        return TemplateString(buffer, isMarkup: string.isMarkup)
    }

    private func repeated(_ list: ValueList, _ count: Int) throws(Fault) -> ValueList {
        let (total, overflows) = list.elements.count.multipliedReportingOverflow(by: count)
        try budget.spend(overflows ? .max : total, times: 32)
        var elements: [Value] = []
        elements.reserveCapacity(total)
        for _ in 0..<(list.elements.isEmpty ? 0 : count) { elements += list.elements }
        return try ValueList(elements)
    }

    /// `~`: the texts of all operands, one behind the other.
    func concatenated(_ values: [Value]) throws(Fault) -> TemplateString {
        var result = TemplateString.empty
        for (index, value) in values.enumerated() {
            let string = try string(of: value)
            if index == 0 {
                result = string.markup(false)
            } else {
                try budget.spend(bytes: string.byteCount + 32)
                result = result.appending(string)
            }
        }
        return result
    }
}
