/// The filters of jinja2, and `tojson` as chat templates have it.
enum TemplateFilter: String, CaseIterable {
    case abs, attr, batch, capitalize, center, count, d, `default`, dictsort, e, escape, filesizeformat, first, float, forceescape, format
    case indent, int, items, join, last, length, list, lower, map, max, min, reject, rejectattr, replace, reverse, round, safe, select
    case selectattr, slice, sort, string, striptags, sum, title, tojson, trim, truncate, unique, upper, urlencode, wordcount

    /// What jinja2 has beside them.
    private static let unsupported: Set<String> = ["groupby", "pprint", "random", "urlize", "wordwrap", "xmlattr"]

    static func missing(_ name: String) -> String {
        unsupported.contains(name) ? "the filter '\(name)' is not supported" : "there is no filter '\(name)'"
    }

    fileprivate var name: String { "the filter '\(rawValue)'" }
}

extension Machine {
    func apply(_ filter: TemplateFilter, to value: Value, _ arguments: CallArguments) throws(Fault) -> Value {
        switch filter {
        case .capitalize, .lower, .upper, .title, .center, .indent, .trim, .replace, .truncate, .striptags, .wordcount, .urlencode, .safe,
            .e, .escape, .forceescape, .string, .format:
            return try applyToText(filter, value, arguments)
        case .abs, .int, .float, .round, .filesizeformat: return try applyToNumber(filter, value, arguments)
        case .map, .select, .reject, .selectattr, .rejectattr: return try applyToEach(filter, value, arguments)
        case .dictsort, .sort, .unique, .min, .max, .sum: return try applyWithKeys(filter, value, arguments)
        default: return try applyToSequence(filter, value, arguments)
        }
    }

    // MARK: - Any value, sequences

    private func applyToSequence(_ filter: TemplateFilter, _ value: Value, _ arguments: CallArguments) throws(Fault) -> Value {
        switch filter {
        case .default, .d:
            let bound = try arguments.bind("default_value", "boolean", of: filter.name)
            var isMissing = value.isUndefined
            if try isTrue(bound[1] ?? .bool(false)) { isMissing = !(try isTrue(value)) }
            return isMissing ? bound[0] ?? .string(.empty) : value
        case .tojson: return .string(try json(value, arguments))
        case .join: return .string(try join(value, arguments))
        case .attr:
            let name = try text(try arguments.bind("name", of: filter.name, required: 1)[0], of: filter.name)
            return try attributeOnly(Program.Name(name.text), of: value)
        case .length, .count:
            _ = try arguments.bind(of: filter.name)
            guard let length = length(of: value) else { throw .value("object of type '\(value.typeName)' has no len()") }
            return .integer(length)
        case .list:
            _ = try arguments.bind(of: filter.name)
            return .list(try ValueList(try elements(of: value)))
        case .items:
            _ = try arguments.bind(of: filter.name)
            if value.isUndefined { return .iterator(ValueIterator(.empty)) }
            guard case .dictionary(let dictionary) = value else { throw .value("Can only get item pairs from a mapping.") }
            return .iterator(ValueIterator(try ValueList(try elements(of: .view(DictionaryView(.items, of: dictionary))))))
        case .first:
            _ = try arguments.bind(of: filter.name)
            var source = try source(of: value)
            return try source.next() ?? .undefined(Undefined(.hint("No first item, sequence was empty.")))
        case .last:
            _ = try arguments.bind(of: filter.name)
            if case .string(let string) = value, !string.isEmpty {
                return .string(string.scalars(string.scalarCount - 1..<string.scalarCount))
            }
            if case .iterator = value { throw .value("'generator' object is not reversible") }
            return try elements(of: value).last ?? .undefined(Undefined(.hint("No last item, sequence was empty.")))
        case .reverse:
            _ = try arguments.bind(of: filter.name)
            if case .string(let string) = value {
                let slice = try Slice(start: .none, stop: .none, step: .integer(-1), count: string.scalarCount)
                return .string(try slice.apply(to: string, budget))
            }
            let reversed = try ValueList(try elements(of: value).reversed())
            if case .iterator = value { return .list(reversed) }
            return .iterator(ValueIterator(reversed, typeName: "reversed"))
        case .batch: return try batches(value, arguments)
        case .slice: return try slices(value, arguments)
        default: throw Fault(.unsupported, TemplateFilter.missing(filter.rawValue))
        }
    }

    private func attributeOnly(_ name: Program.Name, of value: Value) throws(Fault) -> Value {
        if case .dictionary = value, name.dictionaryMethod == nil, !name.changesMappings {
            return .undefined(Undefined(.member(typeName: "dict", name: name.text)))
        }
        return try member(name, of: value)
    }

    private func join(_ value: Value, _ arguments: CallArguments) throws(Fault) -> TemplateString {
        let bound = try arguments.bind("d", "attribute", of: "the filter 'join'")
        let separator = try bound[0].map { (value) throws(Fault) in try string(of: value) } ?? .empty
        let path = try bound[1].map { (attribute) throws(Fault) in try AttributePath(attribute, self) }
        let buffer = TextBuffer()
        for (index, element) in try elements(of: value).enumerated() {
            let string = try string(of: try path?.value(in: element, self) ?? element)
            try budget.spend(bytes: string.byteCount + separator.byteCount)
            if index > 0 { buffer.append(separator) }
            buffer.append(string)
        }
        return TemplateString(buffer)
    }

    private func batches(_ value: Value, _ arguments: CallArguments) throws(Fault) -> Value {
        let bound = try arguments.bind("linecount", "fill_with", of: "the filter 'batch'", required: 1)
        let count = try integer(bound[0] ?? .none, of: "the filter 'batch'")
        let elements = try elements(of: value)
        // jinja2 begins a new batch where the old one has exactly this length: with 0 or less it never does.
        let length = count > 0 ? count : Swift.max(elements.count, 1)
        var batches: [Value] = count == 0 && !elements.isEmpty ? [.list(.empty)] : []
        var start = 0
        while start < elements.count {
            var batch = Array(elements[start..<Swift.min(start + length, elements.count)])
            try budget.spend(batch.count + 2, times: 32)
            if let fill = bound[1], !isNone(fill), batch.count < count {
                try budget.spend(count, times: 32)
                batch += Array(repeating: fill, count: count - batch.count)
            }
            batches.append(.list(try ValueList(batch)))
            start += length
        }
        return .iterator(ValueIterator(try ValueList(batches)))
    }

    func isNone(_ value: Value) -> Bool { if case .none = value { true } else { false } }

    private func slices(_ value: Value, _ arguments: CallArguments) throws(Fault) -> Value {
        let bound = try arguments.bind("slices", "fill_with", of: "the filter 'slice'", required: 1)
        let count = try integer(bound[0] ?? .none, of: "the filter 'slice'")
        guard count != 0 else { throw .value("integer division or modulo by zero") }
        let elements = try elements(of: value)
        try budget.spend(Swift.max(count, 0), times: 64)
        var slices: [Value] = []
        var start = 0
        for number in 0..<Swift.max(count, 0) {
            let hasExtra = number < elements.count % count
            let end = start + elements.count / count + (hasExtra ? 1 : 0)
            var slice = Array(elements[start..<end])
            try budget.spend(slice.count, times: 32)
            if let fill = bound[1], !isNone(fill), !hasExtra { slice.append(fill) }
            slices.append(.list(try ValueList(slice)))
            start = end
        }
        return .iterator(ValueIterator(try ValueList(slices)))
    }

    // MARK: - JSON

    private func json(_ value: Value, _ arguments: CallArguments) throws(Fault) -> TemplateString {
        let bound = try arguments.bind("ensure_ascii", "indent", "separators", "sort_keys", of: "the filter 'tojson'")
        var dump = JSONDump(budget)
        dump.escapesNonASCII = try isTrue(bound[0] ?? .bool(false))
        dump.sortsKeys = try isTrue(bound[3] ?? .bool(false))
        switch bound[1] {
        case nil, .some(.none): break
        case .string(let indent)?: dump.indent = indent
        case let width?:
            let count = Swift.max(try integer(width, of: "the argument 'indent' of 'tojson'"), 0)
            dump.indent = try repeated(" ", count)
        }
        if dump.indent != nil { dump.itemSeparator = "," }
        if let separators = bound[2], !isNone(separators) {
            let pair = try elements(of: separators)
            guard pair.count == 2 else { throw .value("the argument 'separators' of 'tojson' needs two strings") }
            dump.itemSeparator = try text(pair[0], of: "the argument 'separators' of 'tojson'")
            dump.keySeparator = try text(pair[1], of: "the argument 'separators' of 'tojson'")
        }
        return try dump.text(of: value)
    }
}
