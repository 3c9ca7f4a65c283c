/// A mapping that keeps the order of its members.
final class ValueDictionary {
    @exclusivity(unchecked) private(set) var keys: [Value] = []
    @exclusivity(unchecked) private(set) var values: [Value] = []
    let depth: Int
    /// Built when it is first needed, and only for mappings that are too large to look through.
    @exclusivity(unchecked) private var positions: [Key: Int]?

    private static let searchLimit = 8

    private init(uniqueKeys keys: [Value], values: [Value], depth: Int) {
        self.keys = keys
        self.values = values
        self.depth = depth
    }

    /// Of keys that are known to be different strings.
    convenience init(uniqueKeys keys: [Value], values: [Value]) throws(Fault) {
        self.init(uniqueKeys: keys, values: values, depth: try depthAround(values))
    }

    /// A key that comes again replaces the value, and keeps its first place.
    init(_ members: [(key: Value, value: Value)], _ budget: Budget) throws(Fault) {
        depth = max(try depthAround(members.map(\.value)), try depthAround(members.map(\.key)))
        var positions: [Key: Int] = [:]
        for (key, value) in members {
            let hashed = try Key(key, budget)
            if let position = positions[hashed] {
                values[position] = value
            } else {
                positions[hashed] = keys.count
                keys.append(key)
                values.append(value)
            }
        }
        self.positions = positions
        try budget.spend(bytes: members.count * 96)
    }

    var count: Int { keys.count }
    var isEmpty: Bool { keys.isEmpty }

    /// The value of a name, which is given as UTF-8.
    func value(of name: [UInt8]) -> Value? {
        if keys.count > Self.searchLimit { return position(of: .string(TemplateString(name, mark: .template))).map { values[$0] } }
        for index in keys.indices {
            if case .string(let key) = keys[index], key.equals(name) { return values[index] }
        }
        return nil
    }

    func value(of key: Value, _ budget: Budget) throws(Fault) -> Value? {
        if case .string(let string) = key, keys.count <= Self.searchLimit {
            try budget.spend(work: string.byteCount * keys.count)
            for (index, candidate) in keys.enumerated() {
                if case .string(let candidate) = candidate, TemplateString.isEqual(candidate, string) { return values[index] }
            }
            return nil
        }
        return position(of: try Key(key, budget)).map { values[$0] }
    }

    private func position(of key: Key) -> Int? {
        if let positions { return positions[key] }
        var positions: [Key: Int] = [:]
        for (index, own) in keys.enumerated() {
            if case .string(let string) = own { positions[.string(string)] = index }
        }
        self.positions = positions
        return positions[key]
    }

    func item(_ index: Int) throws(Fault) -> Value { .tuple(try ValueList([keys[index], values[index]])) }

    /// A value as a key: numbers are the same key where they are equal, also true and 1.
    enum Key: Hashable {
        case none
        case undefined
        case integer(Int)
        case double(Double)
        case huge(String)
        case string(TemplateString)
        case tuple([Key])
        /// A namespace, a macro or a loop: the same one only.
        case object(Int, String)

        init(_ value: Value, _ budget: Budget) throws(Fault) {
            switch value {
            case .none: self = .none
            case .undefined: self = .undefined
            case .bool(let value): self = .integer(value ? 1 : 0)
            case .integer(let value): self = .integer(value)
            case .double(let value):
                if let integer = Int(exactly: value) { self = .integer(integer) } else { self = .double(value) }
            case .hugeInteger(let value): self = .huge(value.literal)
            case .string(let string):
                try budget.spend(work: string.byteCount)
                self = .string(string)
            case .tuple(let list):
                var keys: [Key] = []
                try budget.spend(bytes: list.elements.count * 32)
                for element in list.elements { keys.append(try Key(element, budget)) }
                self = .tuple(keys)
            case .namespace(let number), .macro(let number), .loop(let number): self = .object(number, value.typeName)
            case .function(let function): self = .object(0, function.rawValue)
            default: throw .value("unhashable type: '\(value.typeName)'")
            }
        }
    }
}

extension TemplateString: Hashable {
    static func == (left: TemplateString, right: TemplateString) -> Bool { isEqual(left, right) }

    func hash(into hasher: inout Hasher) {
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}
