/// The methods of Python's `str` that templates may call.
enum StringMethod: String, CaseIterable {
    case capitalize, casefold, center, count, endswith, expandtabs, find, format, index, isalnum, isalpha, isascii, isdecimal, isdigit
    case islower, isnumeric, isprintable, isspace, isupper, join, ljust, lower, lstrip, partition, removeprefix, removesuffix, replace
    case rfind, rindex, rjust, rpartition, rsplit, rstrip, split, splitlines, startswith, strip, swapcase, title, upper, zfill

    /// What Python has beside them.
    static let unsupported: Set<String> = ["encode", "format_map", "isidentifier", "istitle", "maketrans", "translate"]
}

extension Machine {
    func call(_ method: StringMethod, of string: TemplateString, _ arguments: CallArguments) throws(Fault) -> Value {
        let name = "str.\(method.rawValue)"
        switch method {
        case .upper, .lower, .title, .capitalize, .swapcase, .casefold:
            _ = try arguments.bind(of: name)
            return .string(try changeCase(method, of: string))
        case .strip, .lstrip, .rstrip:
            let chars = try arguments.bind("chars", of: name)[0] ?? .none
            return .string(try stripped(string, chars, atStart: method != .rstrip, atEnd: method != .lstrip, of: name))
        case .split, .rsplit:
            let bound = try arguments.bind("sep", "maxsplit", of: name)
            let limit = try integer(bound[1] ?? .integer(-1), of: name)
            return .list(try split(string, at: bound[0] ?? .none, limit: limit, fromEnd: method == .rsplit))
        case .splitlines:
            let keeps = try isTrue(try arguments.bind("keepends", of: name)[0] ?? .bool(false))
            return .list(try ValueList(try lines(of: string, keepsEnds: keeps).map { .string($0) }))
        case .partition, .rpartition:
            let separator = try text(try arguments.bind("sep", of: name, required: 1)[0], of: name)
            return .tuple(try partition(string, separator, fromEnd: method == .rpartition))
        case .startswith, .endswith:
            let bound = try arguments.bind("prefix", "start", "end", of: name, required: 1)
            let window = try window(of: string, bound[1], bound[2], of: name)
            return .bool(try hasAffix(window, bound[0] ?? .none, atEnd: method == .endswith, of: name))
        case .find, .rfind, .index, .rindex, .count:
            return try search(method, in: string, arguments, of: name)
        case .replace:
            let bound = try arguments.bind("old", "new", "count", of: name, required: 2)
            var new = try text(bound[1], of: name)
            if string.isMarkup { new = try escaped(new) }
            let count = try integer(bound[2] ?? .integer(-1), of: name)
            return .string(try replaced(string, try text(bound[0], of: name), new, count: count))
        case .join:
            let list = try elements(of: try arguments.bind("iterable", of: name, required: 1)[0] ?? .none, as: "can only join an iterable")
            return .string(try joined(list, with: string))
        case .removeprefix, .removesuffix:
            let affix = try text(try arguments.bind("affix", of: name, required: 1)[0], of: name)
            try budget.spend(work: affix.byteCount)
            if method == .removeprefix, string.hasPrefix(affix) {
                return .string(string.piece(string.start + affix.byteCount..<string.end))
            }
            if method == .removesuffix, string.hasSuffix(affix) {
                return .string(string.piece(string.start..<string.end - affix.byteCount))
            }
            return .string(string)
        case .format: return .string(try formatted(braces: string, arguments))
        case .center, .ljust, .rjust, .zfill, .expandtabs: return .string(try padded(method, string, arguments, of: name))
        case .isalnum, .isalpha, .isascii, .isdecimal, .isdigit, .islower, .isnumeric, .isprintable, .isspace, .isupper:
            _ = try arguments.bind(of: name)
            try budget.spend(work: string.byteCount)
            return .bool(Self.check(method, string))
        }
    }

    // MARK: - Arguments

    func text(_ value: Value?, of callee: String) throws(Fault) -> TemplateString {
        guard case .string(let string) = value else {
            if case .undefined(let undefined) = value { throw undefined.fault }
            throw .value("\(callee) needs a string, not \(value?.typeName ?? "nothing")")
        }
        return string
    }

    func integer(_ value: Value, of callee: String) throws(Fault) -> Int {
        guard case .integer(let integer)? = Number(value) else {
            if case .undefined(let undefined) = value { throw undefined.fault }
            throw .value("\(callee) needs a whole number, not \(value.typeName)")
        }
        return integer
    }

    // MARK: - Case

    private func changeCase(_ method: StringMethod, of string: TemplateString) throws(Fault) -> TemplateString {
        switch method {
        case .upper: return try CaseMapping.upper.apply(to: string, budget)
        case .title: return try CaseMapping.title.apply(to: string, budget)
        case .capitalize: return try CaseMapping.capitalized.apply(to: string, budget)
        case .swapcase: return try CaseMapping.swapped.apply(to: string, budget)
        case .casefold where !string.isASCII: throw Fault(.unsupported, "str.casefold is supported for ASCII text only")
        default: return try CaseMapping.lower.apply(to: string, budget)
        }
    }

    private static func check(_ method: StringMethod, _ string: TemplateString) -> Bool {
        if method == .isascii { return string.isASCII }
        if method == .islower || method == .isupper { return hasOnlyCase(method == .islower, string) }
        var isAll = method == .isprintable || !string.isEmpty
        string.forEachScalar { scalar, _ in
            let properties = scalar.properties
            func isAlphabetic() -> Bool {
                switch properties.generalCategory {
                case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
                default: false
                }
            }
            let holds: Bool
            switch method {
            case .isalpha: holds = isAlphabetic()
            case .isalnum: holds = isAlphabetic() || properties.numericType != nil
            case .isdecimal: holds = properties.numericType == .decimal
            case .isdigit: holds = properties.numericType == .decimal || properties.numericType == .digit
            case .isnumeric: holds = properties.numericType != nil
            case .isprintable: holds = PythonText.isPrintable(scalar)
            default: holds = PythonText.isSpace(scalar)
            }
            if !holds { isAll = false }
        }
        return isAll
    }

    /// `islower` and `isupper`: some character has the case, and none another.
    static func hasOnlyCase(_ isLower: Bool, _ string: TemplateString) -> Bool {
        var isFound = false
        var isOther = false
        string.forEachScalar { scalar, _ in
            let properties = scalar.properties
            let isTitle = properties.generalCategory == .titlecaseLetter
            if isLower ? properties.isLowercase : properties.isUppercase && !isTitle { isFound = true }
            if isTitle || (isLower ? properties.isUppercase : properties.isLowercase) { isOther = true }
        }
        return isFound && !isOther
    }

    // MARK: - Stripping and splitting

    /// Without white space, or without the characters of a string, at its ends.
    func stripped(
        _ string: TemplateString, _ chars: Value, atStart: Bool = true, atEnd: Bool = true, of callee: String
    ) throws(Fault) -> TemplateString {
        try budget.spend(work: string.byteCount)
        let isTrimmed: (Unicode.Scalar) -> Bool
        if case .none = chars {
            isTrimmed = PythonText.isSpace
        } else {
            var set: Set<Unicode.Scalar> = []
            let chars = try text(chars, of: callee)
            try budget.spend(chars.scalarCount, times: 8)
            chars.forEachScalar { scalar, _ in set.insert(scalar) }
            isTrimmed = { set.contains($0) }
        }
        let bytes = string.buffer.bytes
        let start = atStart ? PythonText.trimmedStart(of: bytes, in: string.range, where: isTrimmed) : string.start
        let end = atEnd ? PythonText.trimmedEnd(of: bytes, in: start..<string.end, where: isTrimmed) : string.end
        return string.piece(start..<end)
    }

    private func split(_ string: TemplateString, at separator: Value, limit: Int, fromEnd: Bool) throws(Fault) -> ValueList {
        try budget.spend(work: string.byteCount)
        let limit = limit < 0 ? Int.max : limit
        var pieces: [Value] = []
        if case .none = separator {
            let ranges = fromEnd ? wordsFromEnd(of: string, limit: limit) : words(of: string, limit: limit)
            try budget.spend(ranges.count, times: 32)
            pieces = ranges.map { .string(string.piece($0)) }
        } else {
            let separator = try text(separator, of: "str.split")
            guard !separator.isEmpty else { throw .value("empty separator") }
            if fromEnd {
                var end = string.end
                while pieces.count < limit, let found = string.lastRange(of: separator, to: end) {
                    try budget.spend(bytes: 32)
                    // Each search prepares the separator anew.
                    try budget.spend(work: separator.byteCount)
                    pieces.append(.string(string.piece(found.upperBound..<end)))
                    end = found.lowerBound
                }
                pieces.append(.string(string.piece(string.start..<end)))
                pieces.reverse()
            } else {
                var start = string.start
                try string.forEachRange(of: separator, limit: limit) { (found) throws(Fault) in
                    try budget.spend(bytes: 32)
                    try budget.spend(work: separator.byteCount)
                    pieces.append(.string(string.piece(start..<found.lowerBound)))
                    start = found.upperBound
                }
                pieces.append(.string(string.piece(start..<string.end)))
            }
        }
        return try ValueList(pieces)
    }

    /// Words between white space; behind the last one that `limit` allows, everything that is left.
    private func words(of string: TemplateString, limit: Int) -> [Range<Int>] {
        let bytes = string.buffer.bytes
        var ranges: [Range<Int>] = []
        var offset = PythonText.trimmedStart(of: bytes, in: string.range)
        while offset < string.end {
            if ranges.count == limit {
                ranges.append(offset..<string.end)
                break
            }
            let end = PythonText.trimmedStart(of: bytes, in: offset..<string.end) { !PythonText.isSpace($0) }
            ranges.append(offset..<end)
            offset = PythonText.trimmedStart(of: bytes, in: end..<string.end)
        }
        return ranges
    }

    private func wordsFromEnd(of string: TemplateString, limit: Int) -> [Range<Int>] {
        let bytes = string.buffer.bytes
        var ranges: [Range<Int>] = []
        var end = PythonText.trimmedEnd(of: bytes, in: string.range)
        while end > string.start {
            if ranges.count == limit {
                ranges.append(string.start..<end)
                break
            }
            let start = PythonText.trimmedEnd(of: bytes, in: string.start..<end) { !PythonText.isSpace($0) }
            ranges.append(start..<end)
            end = PythonText.trimmedEnd(of: bytes, in: string.start..<start)
        }
        return ranges.reversed()
    }

    func lines(of string: TemplateString, keepsEnds: Bool) throws(Fault) -> [TemplateString] {
        try budget.spend(work: string.byteCount)
        let bytes = string.buffer.bytes
        var lines: [TemplateString] = []
        var start = string.start
        var offset = start
        while offset < string.end {
            let (scalar, count) = PythonText.scalar(in: bytes, at: offset)
            guard PythonText.isLineEnd(scalar) else {
                offset += count
                continue
            }
            var end = offset + count
            if scalar == "\r", end < string.end, bytes[end] == 0x0a { end += 1 }
            try budget.spend(bytes: 32)
            lines.append(string.piece(start..<(keepsEnds ? end : offset)))
            start = end
            offset = end
        }
        if start < string.end { lines.append(string.piece(start..<string.end)) }
        return lines
    }

    private func partition(_ string: TemplateString, _ separator: TemplateString, fromEnd: Bool) throws(Fault) -> ValueList {
        guard !separator.isEmpty else { throw .value("empty separator") }
        try budget.spend(work: string.byteCount)
        let empty = Value.string(TemplateString.empty.markup(string.isMarkup))
        guard let found = fromEnd ? string.lastRange(of: separator) : string.firstRange(of: separator) else {
            return try ValueList(fromEnd ? [empty, empty, .string(string)] : [.string(string), empty, empty])
        }
        return try ValueList([string.start..<found.lowerBound, found, found.upperBound..<string.end].map { .string(string.piece($0)) })
    }

    // MARK: - Searching and replacing

    /// The part between two positions, which count as in slices.
    private func window(of string: TemplateString, _ start: Value?, _ end: Value?, of callee: String) throws(Fault) -> TemplateString? {
        guard start != nil || end != nil else { return string }
        let count = string.scalarCount
        func bound(_ value: Value?, _ standard: Int) throws(Fault) -> Int {
            guard let value else { return standard }
            if case .none = value { return standard }
            let index = try integer(value, of: callee)
            return index < 0 ? max(index &+ count, 0) : index
        }
        let first = try bound(start, 0)
        let last = min(try bound(end, count), count)
        try budget.spend(work: string.byteCount)
        return first <= last ? string.scalars(first..<last) : nil
    }

    private func hasAffix(_ window: TemplateString?, _ affix: Value, atEnd: Bool, of callee: String) throws(Fault) -> Bool {
        let affixes: [Value]
        if case .tuple(let list) = affix { affixes = list.elements } else { affixes = [affix] }
        for affix in affixes {
            let affix = try text(affix, of: callee)
            try budget.spend(work: affix.byteCount)
            if let window, atEnd ? window.hasSuffix(affix) : window.hasPrefix(affix) { return true }
        }
        return false
    }

    private func search(
        _ method: StringMethod, in string: TemplateString, _ arguments: CallArguments, of name: String
    ) throws(Fault) -> Value {
        let bound = try arguments.bind("sub", "start", "end", of: name, required: 1)
        let part = try text(bound[0], of: name)
        try budget.spend(work: string.byteCount + part.byteCount)
        let window = try window(of: string, bound[1], bound[2], of: name)
        if method == .count {
            var count = 0
            try window?.forEachRange(of: part, limit: .max) { (_) throws(Fault) in
                try budget.spend(work: part.byteCount)
                count += 1
            }
            return .integer(count)
        }
        let isFromEnd = method == .rfind || method == .rindex
        if let found = isFromEnd ? window?.lastRange(of: part) : window?.firstRange(of: part) {
            return .integer(string.scalarIndex(ofOffset: found.lowerBound))
        }
        guard method == .find || method == .rfind else { throw .value("substring not found") }
        return .integer(-1)
    }

    func replaced(_ string: TemplateString, _ old: TemplateString, _ new: TemplateString, count: Int) throws(Fault) -> TemplateString {
        try budget.spend(bytes: string.byteCount)
        let buffer = TextBuffer()
        var start = string.start
        try string.forEachRange(of: old, limit: count < 0 ? .max : count) { (found) throws(Fault) in
            try budget.spend(bytes: new.byteCount)
            try budget.spend(work: old.byteCount)
            buffer.append(string.piece(start..<found.lowerBound))
            buffer.append(new)
            start = found.upperBound
        }
        buffer.append(string.piece(start..<string.end))
        return TemplateString(buffer, isMarkup: string.isMarkup)
    }

    /// `separator.join(strings)`
    private func joined(_ values: [Value], with separator: TemplateString) throws(Fault) -> TemplateString {
        let buffer = TextBuffer()
        for (index, value) in values.enumerated() {
            guard case .string(var string) = value else {
                throw .value("sequence item \(index): expected str instance, \(value.typeName) found")
            }
            if separator.isMarkup { string = try escaped(string) }
            try budget.spend(bytes: string.byteCount + separator.byteCount)
            if index > 0 { buffer.append(separator) }
            buffer.append(string)
        }
        return TemplateString(buffer, isMarkup: separator.isMarkup)
    }

    // MARK: - Padding

    private func padded(
        _ method: StringMethod, _ string: TemplateString, _ arguments: CallArguments, of name: String
    ) throws(Fault) -> TemplateString {
        if method == .expandtabs {
            let width = try integer(try arguments.bind("tabsize", of: name)[0] ?? .integer(8), of: name)
            return try expandedTabs(string, width)
        }
        if method == .zfill {
            let width = try integer(try arguments.bind("width", of: name, required: 1)[0] ?? .none, of: name)
            let sign = string.bytes.first.map { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") } ?? false
            let body = sign ? string.piece(string.start + 1..<string.end) : string
            let padded = try padding("0", max(width, 0) - string.scalarCount).appending(body, isMarkup: string.isMarkup)
            return sign ? string.piece(string.start..<string.start + 1).appending(padded, isMarkup: string.isMarkup) : padded
        }
        let bound = try arguments.bind("width", "fillchar", of: name, required: 1)
        let width = try integer(bound[0] ?? .none, of: name)
        let fill = try bound[1].map { (fill) throws(Fault) in try text(fill, of: name) } ?? " "
        guard fill.scalarCount == 1 else { throw .value("The fill character must be exactly one character long") }
        return try padded(string, method, width: width, fill: string.isMarkup ? try escaped(fill) : fill)
    }

    func padded(
        _ string: TemplateString, _ method: StringMethod, width: Int, fill: TemplateString = " "
    ) throws(Fault) -> TemplateString {
        let missing = max(width, 0) - string.scalarCount
        guard missing > 0 else { return string }
        let left: Int
        switch method {
        case .center: left = missing / 2 + (missing & width & 1)
        case .rjust: left = missing
        default: left = 0
        }
        try budget.spend(bytes: string.byteCount)
        let whole = try padding(fill, left).appending(string).appending(try padding(fill, missing - left), isMarkup: string.isMarkup)
        return whole
    }

    private func padding(_ fill: TemplateString, _ count: Int) throws(Fault) -> TemplateString {
        count > 0 ? try repeated(fill, count) : .empty
    }

    private func expandedTabs(_ string: TemplateString, _ width: Int) throws(Fault) -> TemplateString {
        try budget.spend(string.byteCount, times: max(width, 1))
        let buffer = TextBuffer()
        var column = 0
        string.forEachScalar { scalar, mark in
            if scalar == "\t" {
                let count = width > 0 ? width - column % width : 0
                buffer.append(repeatElement(0x20, count: count), mark: mark)
                column += count
            } else {
                buffer.append(scalar, mark: mark)
                column = scalar == "\n" || scalar == "\r" ? 0 : column + 1
            }
        }
        return TemplateString(buffer, isMarkup: string.isMarkup)
    }
}

extension TemplateString: ExpressibleByStringLiteral {
    init(stringLiteral text: String) { self.init(text) }
}
