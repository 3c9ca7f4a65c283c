/// The tests of jinja2: `value is name`.
enum TemplateTest: String, CaseIterable {
    case odd, even, divisibleby, defined, undefined, filter, test, none, boolean, integer, float, lower, upper, string, mapping, number
    case sequence, sameas, iterable, callable, escaped
    case isFalse = "false"
    case isTrue = "true"
    case isIn = "in"
    case equal = "=="
    case eq, equalto
    case notEqual = "!="
    case ne
    case greaterThan = ">"
    case gt, greaterthan
    case greaterOrEqual = ">="
    case ge
    case lessThan = "<"
    case lt, lessthan
    case lessOrEqual = "<="
    case le

    static func missing(_ name: String) -> String { "there is no test '\(name)'" }

    fileprivate var comparison: Comparison? {
        switch self {
        case .equal, .eq, .equalto: .equal
        case .notEqual, .ne: .notEqual
        case .greaterThan, .gt, .greaterthan: .greater
        case .greaterOrEqual, .ge: .greaterOrEqual
        case .lessThan, .lt, .lessthan: .less
        case .lessOrEqual, .le: .lessOrEqual
        case .isIn: .isIn
        default: nil
        }
    }
}

extension Machine {
    func check(_ test: TemplateTest, _ value: Value, _ arguments: CallArguments) throws(Fault) -> Bool {
        let name = "the test '\(test.rawValue)'"
        if let comparison = test.comparison {
            return try compare(comparison, value, try arguments.bind("other", of: name, required: 1)[0] ?? .none)
        }
        switch test {
        case .divisibleby:
            let divisor = try arguments.bind("num", of: name, required: 1)[0] ?? .none
            return try isEqual(try arithmetic(.modulo, value, divisor), .integer(0))
        case .sameas: return try isSame(value, try arguments.bind("other", of: name, required: 1)[0] ?? .none)
        default: _ = try arguments.bind(of: name)
        }
        switch test {
        case .odd: return try isEqual(try arithmetic(.modulo, value, .integer(2)), .integer(1))
        case .even: return try isEqual(try arithmetic(.modulo, value, .integer(2)), .integer(0))
        case .lower, .upper:
            let string = try string(of: value)
            try budget.spend(work: string.byteCount)
            return Self.hasOnlyCase(test == .lower, string)
        case .filter: return value.string.map { TemplateFilter(rawValue: $0.text) != nil } ?? false
        case .test: return value.string.map { TemplateTest(rawValue: $0.text) != nil } ?? false
        default: return Self.isKind(test, value)
        }
    }

    private static func isKind(_ test: TemplateTest, _ value: Value) -> Bool {
        switch (test, value) {
        case (.undefined, .undefined), (.none, .none), (.boolean, .bool), (.integer, .integer), (.integer, .hugeInteger), (.float, .double),
            (.string, .string), (.mapping, .dictionary), (.number, .bool), (.number, .integer), (.number, .hugeInteger), (.number, .double),
            (.isTrue, .bool(true)), (.isFalse, .bool(false)), (.callable, .macro), (.callable, .method), (.callable, .function),
            // Undefined has everything that Python asks for.
            (.callable, .undefined):
            true
        case (.defined, .undefined): false
        case (.defined, _): true
        case (.escaped, .string(let string)): string.isMarkup
        case (.sequence, .string), (.sequence, .list), (.sequence, .tuple), (.sequence, .dictionary), (.sequence, .range),
            (.sequence, .undefined):
            true
        case (.iterable, .string), (.iterable, .list), (.iterable, .tuple), (.iterable, .dictionary), (.iterable, .range),
            (.iterable, .undefined), (.iterable, .view), (.iterable, .iterator), (.iterable, .loop):
            true
        default: false
        }
    }

    /// Python's `is`, where it does not depend on what Python happens to share.
    private func isSame(_ left: Value, _ right: Value) throws(Fault) -> Bool {
        switch (left, right) {
        case (.none, .none): return true
        case (.bool(let left), .bool(let right)): return left == right
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)): return left === right
        case (.dictionary(let left), .dictionary(let right)): return left === right
        case (.namespace(let left), .namespace(let right)), (.macro(let left), .macro(let right)): return left == right
        case (.integer, .integer), (.double, .double), (.string, .string):
            guard try isEqual(left, right) else { return false }
            throw Fault(.unsupported, "whether two equal values of type '\(left.typeName)' are the same one is not known")
        default: return false
        }
    }
}
