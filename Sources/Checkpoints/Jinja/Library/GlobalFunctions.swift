/// The functions that chat templates have beside those of jinja2.
extension Machine {
    func call(_ function: GlobalFunction, _ arguments: CallArguments) throws(Fault) -> Value {
        switch function {
        case .range: return .range(try range(arguments))
        case .dict: return .dictionary(try dictionary(arguments, of: "dict"))
        case .namespace:
            let members = try dictionary(arguments, of: "namespace")
            namespaces.append([])
            let number = namespaces.count - 1
            try budget.spend(bytes: 64)
            for (key, value) in zip(members.keys, members.values) {
                if case .string(let name) = key, Program.Name.isPrivate(name.text) { try set(name.text, to: value, inNamespace: number) }
                try budget.spend(bytes: 64)
                namespaces[number].append((key, value))
            }
            return .namespace(number)
        case .raiseException:
            let message = try arguments.bind("message", of: function.rawValue, required: 1)[0] ?? .none
            throw Fault(.raised, try string(of: message).text)
        case .strftimeNow:
            let format = try text(try arguments.bind("format", of: function.rawValue, required: 1)[0], of: function.rawValue)
            try budget.spend(bytes: format.byteCount)
            guard let text = clock.formatted(format.text) else { throw .value("there is no such format of the time: '\(format.text)'") }
            try budget.spend(bytes: text.utf8.count)
            return .string(TemplateString(text, mark: format.commonMark))
        case .cycler, .joiner, .lipsum: throw Fault(.unsupported, "the function '\(function.rawValue)' is not supported")
        }
    }

    /// The sandbox allows 100,000 elements.
    private func range(_ arguments: CallArguments) throws(Fault) -> ValueRange {
        let bound = try arguments.bind("start", "stop", "step", of: "range", required: 1)
        let first = try integer(bound[0] ?? .none, of: "range")
        let start = bound[1] == nil ? 0 : first
        let stop = try bound[1].map { (stop) throws(Fault) in try integer(stop, of: "range") } ?? first
        let step = try integer(bound[2] ?? .integer(1), of: "range")
        guard step != 0 else { throw .value("range() arg 3 must not be zero") }
        let (distance, overflows) = stop.subtractingReportingOverflow(start)
        let limit = 100_000
        guard (stop > start) == (step > 0), stop != start else { return ValueRange(start: start, step: step, count: 0) }
        let count = overflows ? UInt.max : (distance.magnitude - 1) / step.magnitude + 1
        guard count <= limit else { throw Fault(.limit, "a range of more than \(limit) elements") }
        return ValueRange(start: start, step: step, count: Int(count))
    }

    private func dictionary(_ arguments: CallArguments, of callee: String) throws(Fault) -> ValueDictionary {
        guard arguments.positional.count <= 1 else {
            throw .value("\(callee) expected at most 1 argument, got \(arguments.positional.count)")
        }
        var members: [(key: Value, value: Value)] = []
        switch arguments.positional.first {
        case nil: break
        case .dictionary(let dictionary): members = zip(dictionary.keys, dictionary.values).map { ($0, $1) }
        case let pairs?:
            for pair in try elements(of: pairs) {
                let pair = try elements(of: pair)
                guard pair.count == 2 else { throw .value("\(callee) needs pairs of key and value, not \(pair.count) elements") }
                members.append((pair[0], pair[1]))
            }
        }
        for (name, value) in arguments.keywords { members.append((.string(name), value)) }
        return try ValueDictionary(members, budget)
    }
}
