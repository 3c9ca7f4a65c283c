/// The methods of Python's lists and tuples that change nothing.
enum ListMethod: String, CaseIterable {
    case count, index, copy

    /// What the sandbox refuses.
    static let mutating: Set<String> = ["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"]
}

/// The methods of Python's mappings that change nothing.
enum DictionaryMethod: String, CaseIterable {
    case get, items, keys, values, copy

    /// What the sandbox refuses.
    static let mutating: Set<String> = ["clear", "pop", "popitem", "setdefault", "update"]
}

extension Machine {
    func call(_ method: ListMethod, of list: ValueList, _ arguments: CallArguments) throws(Fault) -> Value {
        switch method {
        case .copy:
            _ = try arguments.bind(of: "list.copy")
            return .list(list)
        case .count:
            let value = try arguments.bind("value", of: "list.count", required: 1)[0] ?? .none
            var count = 0
            for element in list.elements where try isEqual(element, value) { count += 1 }
            return .integer(count)
        case .index:
            let bound = try arguments.bind("value", "start", "stop", of: "list.index", required: 1)
            let slice = try Slice(start: bound[1] ?? .none, stop: bound[2] ?? .none, step: .none, count: list.elements.count)
            for index in slice.start..<slice.start + slice.count where try isEqual(list.elements[index], bound[0] ?? .none) {
                return .integer(index)
            }
            throw .value("the value is not in the list")
        }
    }

    func call(_ method: DictionaryMethod, of dictionary: ValueDictionary, _ arguments: CallArguments) throws(Fault) -> Value {
        switch method {
        case .get:
            let bound = try arguments.bind("key", "default", of: "dict.get", required: 1)
            return try dictionary.value(of: bound[0] ?? .none, budget) ?? bound[1] ?? Value.none
        case .items, .keys, .values, .copy:
            _ = try arguments.bind(of: "dict.\(method.rawValue)")
            switch method {
            case .items: return .view(DictionaryView(.items, of: dictionary))
            case .keys: return .view(DictionaryView(.keys, of: dictionary))
            case .values: return .view(DictionaryView(.values, of: dictionary))
            default: return .dictionary(dictionary)
            }
        }
    }
}
