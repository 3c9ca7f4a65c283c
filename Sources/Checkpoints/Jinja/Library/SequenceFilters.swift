/// Filters that apply something to each element, or order elements.
extension Machine {
    // MARK: - Each element

    func applyToEach(_ filter: TemplateFilter, _ value: Value, _ arguments: CallArguments) throws(Fault) -> Value {
        guard try isTrue(value) else { return .iterator(ValueIterator(.empty)) }
        let elements = try elements(of: value)
        var results: [Value] = []
        try budget.spend(elements.count, times: 32)
        if filter == .map {
            let transform = try transform(arguments)
            for element in elements { results.append(try transform(element)) }
        } else {
            var rest = arguments
            var path: AttributePath?
            if filter == .selectattr || filter == .rejectattr {
                guard !rest.positional.isEmpty else { throw .value("Missing parameter for attribute name") }
                path = try AttributePath(rest.positional.removeFirst(), self)
            }
            let selects = filter == .select || filter == .selectattr
            let condition = try condition(rest)
            for element in elements where try condition(try path?.value(in: element, self) ?? element) == selects {
                results.append(element)
            }
        }
        return .iterator(ValueIterator(try ValueList(results)))
    }

    /// `map(attribute=..., default=...)` or `map('filter', arguments...)`.
    private func transform(_ arguments: CallArguments) throws(Fault) -> (Value) throws(Fault) -> Value {
        if arguments.positional.isEmpty, arguments.keywords.contains(where: { $0.name == "attribute" }) {
            var standard: Value?
            var attribute = Value.none
            for (name, value) in arguments.keywords {
                switch name {
                case "attribute": attribute = value
                case "default": standard = isNone(value) ? nil : value
                default: throw .value("Unexpected keyword argument '\(name)'")
                }
            }
            let path = try AttributePath(attribute, self)
            return { (element) throws(Fault) in
                try self.budget.step()
                return try path.value(in: element, self, standard: standard)
            }
        }
        guard let first = arguments.positional.first else { throw .value("map requires a filter argument") }
        let name = try text(first, of: "the filter 'map'").text
        guard let filter = TemplateFilter(rawValue: name) else { throw Fault(.unsupported, TemplateFilter.missing(name)) }
        guard filter != .map, filter != .select, filter != .reject, filter != .selectattr, filter != .rejectattr else {
            throw Fault(.unsupported, "'\(name)' inside 'map' is not supported")
        }
        var rest = arguments
        rest.positional.removeFirst()
        return { (element) throws(Fault) in
            try self.budget.step()
            return try self.apply(filter, to: element, rest)
        }
    }

    private func condition(_ arguments: CallArguments) throws(Fault) -> (Value) throws(Fault) -> Bool {
        guard let first = arguments.positional.first else {
            return { (element) throws(Fault) in
                try self.budget.step()
                return try self.isTrue(element)
            }
        }
        let name = try text(first, of: "the name of a test").text
        guard let test = TemplateTest(rawValue: name) else { throw Fault(.unsupported, TemplateTest.missing(name)) }
        var rest = arguments
        rest.positional.removeFirst()
        return { (element) throws(Fault) in
            try self.budget.step()
            return try self.check(test, element, rest)
        }
    }

    // MARK: - Order

    func applyWithKeys(_ filter: TemplateFilter, _ value: Value, _ arguments: CallArguments) throws(Fault) -> Value {
        let name = "the filter '\(filter.rawValue)'"
        switch filter {
        case .sum:
            let bound = try arguments.bind("attribute", "start", of: name)
            let path = try AttributePath(bound[0] ?? .none, self)
            var sum = bound[1] ?? .integer(0)
            if case .string = sum { throw .value("sum() can't sum strings [use ''.join(seq) instead]") }
            for element in try elements(of: value) { sum = try arithmetic(.add, sum, try path.value(in: element, self)) }
            return sum
        case .dictsort: return try sortedMembers(value, arguments, of: name)
        case .sort: return try sorted(value, arguments, of: name)
        default: break
        }
        let bound = try arguments.bind("case_sensitive", "attribute", of: name)
        let isSensitive = try isTrue(bound[0] ?? .bool(false))
        let path = try AttributePath(bound[1] ?? .none, self)
        let elements = try elements(of: value)
        var keys: [Value] = []
        for element in elements { keys.append(try key(try path.value(in: element, self), isSensitive)) }
        if filter == .unique {
            var seen: Set<ValueDictionary.Key> = []
            var results: [Value] = []
            try budget.spend(elements.count, times: 64)
            for (element, key) in zip(elements, keys) where seen.insert(try ValueDictionary.Key(key, budget)).inserted {
                results.append(element)
            }
            return .iterator(ValueIterator(try ValueList(results)))
        }
        guard var best = keys.first, var result = elements.first else {
            return .undefined(Undefined(.hint("No aggregated item, sequence was empty.")))
        }
        for (element, key) in zip(elements, keys).dropFirst()
        where try filter == .min ? order(key, best, .less) == .less : order(key, best, .greater) == .greater {
            best = key
            result = element
        }
        return result
    }

    private func key(_ value: Value, _ isSensitive: Bool) throws(Fault) -> Value {
        guard case .string(let string) = value, !isSensitive else { return value }
        return .string(try CaseMapping.lower.apply(to: string, budget))
    }

    /// Sorted by keys, equal ones in their order; in reverse order, too.
    private func sorted(_ elements: [Value], by keys: [[Value]], isReversed: Bool) throws(Fault) -> [Value] {
        try budget.spend(elements.count, times: 64)
        var order = Array(elements.indices)
        if isReversed { order.reverse() }
        order = try MergeSort.sorted(order) { (a, b) throws(Fault) in
            for (left, right) in zip(keys[a], keys[b]) where !(try self.isEqual(left, right)) {
                return try self.order(left, right, .less) == .less
            }
            return false
        }
        if isReversed { order.reverse() }
        return order.map { elements[$0] }
    }

    private func sorted(_ value: Value, _ arguments: CallArguments, of name: String) throws(Fault) -> Value {
        let bound = try arguments.bind("reverse", "case_sensitive", "attribute", of: name)
        let isSensitive = try isTrue(bound[1] ?? .bool(false))
        var paths: [AttributePath] = []
        if case .string(let list)? = bound[2] {
            try budget.spend(bytes: list.byteCount * 32)
            for part in list.pieces(separatedBy: UInt8(ascii: ",")) { paths.append(try AttributePath(.string(part), self)) }
        } else {
            paths = [try AttributePath(bound[2] ?? .none, self)]
        }
        let elements = try elements(of: value)
        var keys: [[Value]] = []
        try budget.spend(elements.count, times: 64)
        for element in elements {
            var own: [Value] = []
            for path in paths { own.append(try key(try path.value(in: element, self), isSensitive)) }
            keys.append(own)
        }
        return .list(try ValueList(try sorted(elements, by: keys, isReversed: try isTrue(bound[0] ?? .bool(false)))))
    }

    private func sortedMembers(_ value: Value, _ arguments: CallArguments, of name: String) throws(Fault) -> Value {
        let bound = try arguments.bind("case_sensitive", "by", "reverse", of: name)
        let isSensitive = try isTrue(bound[0] ?? .bool(false))
        let by = try bound[1].map { (by) throws(Fault) in try text(by, of: name).text } ?? "key"
        guard by == "key" || by == "value" else { throw .value("You can only sort by either \"key\" or \"value\"") }
        guard case .dictionary(let dictionary) = value else {
            if case .undefined(let undefined) = value { throw undefined.fault }
            throw .value("'\(value.typeName)' object has no attribute 'items'")
        }
        let items = try elements(of: .view(DictionaryView(.items, of: dictionary)))
        var keys: [[Value]] = []
        for own in by == "key" ? dictionary.keys : dictionary.values { keys.append([try key(own, isSensitive)]) }
        return .list(try ValueList(try sorted(items, by: keys, isReversed: try isTrue(bound[2] ?? .bool(false)))))
    }
}
