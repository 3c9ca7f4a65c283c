/// Filters that make text of a value.
extension Machine {
    func applyToText(_ filter: TemplateFilter, _ value: Value, _ arguments: CallArguments) throws(Fault) -> Value {
        let name = "the filter '\(filter.rawValue)'"
        let string = try string(of: value)
        switch filter {
        case .upper, .lower, .capitalize, .safe, .e, .escape, .forceescape, .string, .striptags, .wordcount, .title, .urlencode:
            _ = try arguments.bind(of: name)
        default: break
        }
        switch filter {
        case .upper: return .string(try CaseMapping.upper.apply(to: string, budget))
        case .lower: return .string(try CaseMapping.lower.apply(to: string, budget))
        case .capitalize: return .string(try CaseMapping.capitalized.apply(to: string, budget))
        case .title: return .string(try titled(string))
        case .safe: return .string(string.markup())
        case .e, .escape: return .string(try escaped(string))
        case .forceescape: return .string(try escaped(string.markup(false)))
        case .string: return .string(string)
        case .trim: return .string(try stripped(string, try arguments.bind("chars", of: name)[0] ?? .none, of: name))
        case .center:
            let width = try integer(try arguments.bind("width", of: name)[0] ?? .integer(80), of: name)
            return .string(try padded(string, .center, width: width))
        case .replace:
            let bound = try arguments.bind("old", "new", "count", of: name, required: 2)
            let count = try bound[2].map { (count) throws(Fault) in isNone(count) ? -1 : try integer(count, of: name) } ?? -1
            let old = try self.string(of: bound[0] ?? .none)
            return .string(try replaced(string.markup(false), old, try self.string(of: bound[1] ?? .none), count: count))
        case .indent:
            guard case .string = value else { throw .value("\(name) needs a string, not \(value.typeName)") }
            return .string(try indented(string, arguments, of: name))
        case .truncate:
            guard case .string = value else { throw .value("\(name) needs a string, not \(value.typeName)") }
            return .string(try truncated(string, arguments, of: name))
        case .format:
            guard arguments.positional.isEmpty || arguments.keywords.isEmpty else {
                throw .value("can't handle positional and keyword arguments at the same time")
            }
            if arguments.keywords.isEmpty { return .string(try formatted(percent: string, .tuple(try ValueList(arguments.positional)))) }
            let members = try ValueDictionary(arguments.keywords.map { (.string($0.name), $0.value) }, budget)
            return .string(try formatted(percent: string, .dictionary(members)))
        case .wordcount: return .integer(try wordCount(string))
        case .striptags: return .string(try withoutTags(string))
        case .urlencode: return .string(try percentEncoded(value))
        default: throw Fault(.unsupported, TemplateFilter.missing(filter.rawValue))
        }
    }

    /// Unlike `str.title`, an apostrophe does not begin a word.
    private func titled(_ string: TemplateString) throws(Fault) -> TemplateString {
        try budget.spend(string.byteCount, times: 3)
        let buffer = TextBuffer()
        var pieces: [Range<Int>] = []
        var start = string.start
        var offset = start
        var isSeparating: Bool?
        while offset < string.end {
            let (scalar, count) = PythonText.scalar(in: string.buffer.bytes, at: offset)
            let separates = PythonText.isSpace(scalar) || "-({[<".unicodeScalars.contains(scalar)
            if let before = isSeparating, before != separates {
                pieces.append(start..<offset)
                start = offset
            }
            isSeparating = separates
            offset += count
        }
        if start < string.end { pieces.append(start..<string.end) }
        for piece in pieces {
            // The first character as `upper` has it, which may become two.
            let first = PythonText.scalar(in: string.buffer.bytes, at: piece.lowerBound).1
            buffer.append(try CaseMapping.upper.apply(to: string.piece(piece.lowerBound..<piece.lowerBound + first), budget))
            buffer.append(try CaseMapping.lower.apply(to: string.piece(piece.lowerBound + first..<piece.upperBound), budget))
        }
        return TemplateString(buffer)
    }

    private func indented(_ string: TemplateString, _ arguments: CallArguments, of name: String) throws(Fault) -> TemplateString {
        let bound = try arguments.bind("width", "first", "blank", of: name)
        let indentation: TemplateString
        if case .string(let text)? = bound[0] {
            indentation = text
        } else {
            indentation = try repeated(" ", max(try integer(bound[0] ?? .integer(4), of: name), 0))
        }
        let indentsBlank = try isTrue(bound[2] ?? .bool(false))
        let indentsFirst = try isTrue(bound[1] ?? .bool(false))
        // An end of line is added first: the last line is one, even where it is empty.
        try budget.spend(bytes: string.byteCount + 1)
        let buffer = TextBuffer()
        for (index, line) in try lines(of: string.appending("\n", isMarkup: string.isMarkup), keepsEnds: false).enumerated() {
            try budget.spend(bytes: line.byteCount + indentation.byteCount + 1)
            if index > 0 { buffer.append("\n" as TemplateString) }
            if index > 0 ? indentsBlank || !line.isEmpty : indentsFirst { buffer.append(indentation) }
            buffer.append(line)
        }
        return TemplateString(buffer, isMarkup: string.isMarkup)
    }

    private func truncated(_ string: TemplateString, _ arguments: CallArguments, of name: String) throws(Fault) -> TemplateString {
        let bound = try arguments.bind("length", "killwords", "end", "leeway", of: name)
        let length = try integer(bound[0] ?? .integer(255), of: name)
        let end = try bound[2].map { (end) throws(Fault) in try text(end, of: name) } ?? "..."
        let leeway = try bound[3].map { (leeway) throws(Fault) in isNone(leeway) ? 5 : try integer(leeway, of: name) } ?? 5
        guard length >= end.scalarCount else { throw .value("expected length >= \(end.scalarCount), got \(length)") }
        guard leeway >= 0 else { throw .value("expected leeway >= 0, got \(leeway)") }
        guard string.scalarCount - leeway > length else { return string }
        try budget.spend(bytes: string.byteCount + end.byteCount)
        var kept = string.scalars(0..<length - end.scalarCount)
        if !(try isTrue(bound[1] ?? .bool(false))), let space = kept.lastRange(of: " ") {
            kept = kept.piece(kept.start..<space.lowerBound)
        }
        return kept.markup(false).appending(end)
    }

    /// Runs of letters, digits and underscores.
    private func wordCount(_ string: TemplateString) throws(Fault) -> Int {
        try budget.spend(work: string.byteCount)
        var count = 0
        var isInWord = false
        string.forEachScalar { scalar, _ in
            let properties = scalar.properties
            let isWord: Bool
            switch properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: isWord = true
            default: isWord = scalar == "_" || properties.numericType != nil
            }
            if isWord, !isInWord { count += 1 }
            isInWord = isWord
        }
        return count
    }

    /// Without tags and comments of HTML; white space becomes single spaces, the basic entities become characters.
    private func withoutTags(_ string: TemplateString) throws(Fault) -> TemplateString {
        try budget.spend(string.byteCount, times: 2)
        let kept = TextBuffer()
        var start = string.start
        while let open = string.firstRange(of: "<", from: start) {
            let isComment = string.piece(open.lowerBound..<string.end).hasPrefix("<!--")
            let from = open.lowerBound + (isComment ? 4 : 0)
            guard let close = string.firstRange(of: isComment ? "-->" : ">", from: from) else { break }
            kept.append(string.piece(start..<open.lowerBound))
            start = close.upperBound
        }
        kept.append(string.piece(start..<string.end))
        let words = try call(.split, of: TemplateString(kept), CallArguments())
        let joined = try join(words)
        guard joined.bytes.contains(UInt8(ascii: "&")) else { return joined }
        return try unescaped(joined)
    }

    private func join(_ words: Value) throws(Fault) -> TemplateString {
        guard case .string(let joined) = try call(.join, of: " ", CallArguments(positional: [words])) else { return .empty }
        return joined
    }

    private func unescaped(_ string: TemplateString) throws(Fault) -> TemplateString {
        let entities: [(TemplateString, TemplateString)] = [
            ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&amp;", "&"),
        ]
        let buffer = TextBuffer()
        var start = string.start
        while let found = string.firstRange(of: "&", from: start) {
            buffer.append(string.piece(start..<found.lowerBound))
            let rest = string.piece(found.lowerBound..<min(found.lowerBound + 8, string.end))
            if let (entity, character) = entities.first(where: { rest.hasPrefix($0.0) }) {
                buffer.append(character.bytes, mark: rest.firstMark)
                start = found.lowerBound + entity.byteCount
            } else {
                let next = found.upperBound < string.end ? string.buffer.bytes[found.upperBound] : 0x20
                guard next != UInt8(ascii: "#"), !PythonText.isNameByte(next) else {
                    throw Fault(.unsupported, "the filter 'striptags' supports no entities of HTML but the basic ones")
                }
                buffer.append(string.piece(found))
                start = found.upperBound
            }
        }
        buffer.append(string.piece(start..<string.end))
        return TemplateString(buffer)
    }

    /// Everything but letters, digits and `_.-~/` as `%XX`; of mappings and lists of pairs, a query.
    private func percentEncoded(_ value: Value) throws(Fault) -> TemplateString {
        let pairs: [Value]
        switch value {
        case .dictionary(let dictionary): pairs = try elements(of: .view(DictionaryView(.items, of: dictionary)))
        case .list, .tuple, .iterator, .view: pairs = try elements(of: value)
        default: return try percentEncoded(try string(of: value), isQuery: false)
        }
        let buffer = TextBuffer()
        for (index, pair) in pairs.enumerated() {
            let pair = try elements(of: pair)
            guard pair.count == 2 else { throw .value("the filter 'urlencode' needs pairs of name and value") }
            if index > 0 { buffer.append("&".utf8, mark: .data) }
            buffer.append(try percentEncoded(try string(of: pair[0]), isQuery: true))
            buffer.append("=".utf8, mark: .data)
            buffer.append(try percentEncoded(try string(of: pair[1]), isQuery: true))
        }
        return TemplateString(buffer)
    }

    private func percentEncoded(_ string: TemplateString, isQuery: Bool) throws(Fault) -> TemplateString {
        try budget.spend(string.byteCount, times: 3)
        let buffer = TextBuffer()
        let hexadecimal = Array("0123456789ABCDEF".utf8)
        string.forEachRun { range, mark in
            for byte in string.buffer.bytes[range] {
                let isKept =
                    byte < 0x80 && PythonText.isNameByte(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
                    || byte == UInt8(ascii: "~") || (byte == UInt8(ascii: "/") && !isQuery)
                if isKept {
                    buffer.append(CollectionOfOne(byte), mark: mark)
                } else if isQuery, byte == 0x20 {
                    buffer.append("+".utf8, mark: mark)
                } else {
                    buffer.append([UInt8(ascii: "%"), hexadecimal[Int(byte >> 4)], hexadecimal[Int(byte & 15)]], mark: mark)
                }
            }
        }
        return TemplateString(buffer)
    }
}
