import Platform

/// A number; true and false are 1 and 0, as in Python.
enum Number {
    case integer(Int)
    case double(Double)

    enum Order { case less, equal, greater, unordered }

    init?(_ value: Value) {
        switch value {
        case .bool(let value): self = .integer(value ? 1 : 0)
        case .integer(let value): self = .integer(value)
        case .double(let value): self = .double(value)
        default: return nil
        }
    }

    var value: Value {
        switch self {
        case .integer(let value): .integer(value)
        case .double(let value): .double(value)
        }
    }

    var double: Double {
        switch self {
        case .integer(let value): Double(value)
        case .double(let value): value
        }
    }

    /// As a whole number where it is one.
    var simplified: Number {
        if case .double(let value) = self, let integer = Int(exactly: value) { .integer(integer) } else { self }
    }

    static func compare(_ left: Number, _ right: Number) -> Order {
        switch (left.simplified, right.simplified) {
        case (.integer(let left), .integer(let right)): return left < right ? .less : left == right ? .equal : .greater
        default:
            // One of them is no whole number of 64 bits, so that rounding the other does not make them equal.
            let left = left.double
            let right = right.double
            return left < right ? .less : left == right ? .equal : left > right ? .greater : .unordered
        }
    }

    static func calculate(_ operation: Arithmetic, _ left: Number, _ right: Number) throws(Fault) -> Value {
        if case .integer(let left) = left, case .integer(let right) = right { return try calculate(operation, left, right) }
        let left = left.double
        let right = right.double
        switch operation {
        case .add: return .double(left + right)
        case .subtract: return .double(left - right)
        case .multiply: return .double(left * right)
        case .divide:
            guard right != 0 else { throw .value("float division by zero") }
            return .double(left / right)
        case .floorDivide:
            guard right != 0 else { throw .value("float floor division by zero") }
            return .double(floorDivide(left, right).quotient)
        case .modulo:
            guard right != 0 else { throw .value("float modulo") }
            return .double(floorDivide(left, right).remainder)
        case .power: return .double(try power(left, right))
        }
    }

    private static func calculate(_ operation: Arithmetic, _ left: Int, _ right: Int) throws(Fault) -> Value {
        let result: (Int, Bool)
        switch operation {
        case .add: result = left.addingReportingOverflow(right)
        case .subtract: result = left.subtractingReportingOverflow(right)
        case .multiply: result = left.multipliedReportingOverflow(by: right)
        case .divide:
            guard right != 0 else { throw .value("division by zero") }
            return .double(Double(left) / Double(right))
        case .floorDivide, .modulo:
            guard right != 0 else { throw .value("integer division or modulo by zero") }
            guard right != -1 else { return operation == .modulo ? .integer(0) : try calculate(.subtract, 0, left) }
            let remainder = left % right
            let isBelow = remainder != 0 && (remainder < 0) != (right < 0)
            return .integer(operation == .modulo ? (isBelow ? remainder + right : remainder) : left / right - (isBelow ? 1 : 0))
        case .power: return try power(left, right)
        }
        guard !result.1 else { throw Machine.huge }
        return .integer(result.0)
    }

    private static func power(_ base: Int, _ exponent: Int) throws(Fault) -> Value {
        guard exponent >= 0 else { return .double(try power(Double(base), Double(exponent))) }
        if base == 0 || base == 1 { return .integer(exponent == 0 ? 1 : base) }
        if base == -1 { return .integer(exponent % 2 == 0 ? 1 : -1) }
        // Beyond 64 bits after 63 doublings at the latest.
        var result = 1
        for _ in 0..<min(exponent, 65) {
            let (product, overflows) = result.multipliedReportingOverflow(by: base)
            guard !overflows else { throw Machine.huge }
            result = product
        }
        return .integer(result)
    }

    private static func power(_ base: Double, _ exponent: Double) throws(Fault) -> Double {
        guard base != 0 || exponent >= 0 else { throw .value("0.0 cannot be raised to a negative power") }
        guard base >= 0 || exponent == exponent.rounded() || !exponent.isFinite else {
            throw Fault(.unsupported, "complex numbers are not supported")
        }
        let result = pow(base, exponent)
        guard result.isFinite || !base.isFinite || !exponent.isFinite else { throw .value("the result is too large for a float") }
        return result
    }

    /// As CPython's float_divmod.
    private static func floorDivide(_ left: Double, _ right: Double) -> (quotient: Double, remainder: Double) {
        var remainder = fmod(left, right)
        var quotient = (left - remainder) / right
        if remainder != 0 {
            if (right < 0) != (remainder < 0) {
                remainder += right
                quotient -= 1
            }
        } else {
            remainder = Double(signOf: right, magnitudeOf: 0)
        }
        guard quotient != 0 else { return (Double(signOf: left / right, magnitudeOf: 0), remainder) }
        let floored = quotient.rounded(.down)
        return (quotient - floored > 0.5 ? floored + 1 : floored, remainder)
    }
}
