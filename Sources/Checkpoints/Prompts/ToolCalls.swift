package import JSONText

/// How models of a family write that a tool is to be called.
enum ToolCallConvention: Hashable, Sendable {
    /// `<tool_call>{"name": "f", "arguments": {}}</tool_call>`: Hermes, Qwen and others.
    case tagged
    /// The whole answer is `{"name": "f", "parameters": {}}`, perhaps behind `<|python_tag|>`: Llama 3.1 and later.
    case bare
    /// `[TOOL_CALLS] [{"name": "f", "arguments": {}}]`, or `[TOOL_CALLS]f[ARGS]{}`: Mistral.
    case listed

    /// By marks that the template writes itself; nil where it writes none of these.
    init?(template: String) {
        if template.contains("<tool_call>"), !template.contains("<function="), !template.contains("<arg_key>") {
            self = .tagged
        } else if template.contains("[TOOL_CALLS]") {
            self = .listed
        } else if template.contains(#""parameters": "#), template.contains("ipython") || template.contains("<|python_tag|>") {
            self = .bare
        } else {
            return nil
        }
    }

    /// The calls, each `{"name", "arguments"}`; what is malformed is no call.
    func calls(in said: String) -> [JSONValue] {
        switch self {
        case .tagged: said.components(behind: "<tool_call>").compactMap { Self.call($0.leadingJSON, "arguments") }
        case .bare:
            said.components(separatedBy: ";").compactMap { part in
                let text = part.trimmed.hasPrefix("<|python_tag|>") ? part.trimmed.dropFirst("<|python_tag|>".count) : part.trimmed
                return Self.call(text.leadingJSON, "parameters")
            }
        case .listed:
            said.components(behind: "[TOOL_CALLS]").flatMap { part -> [JSONValue] in
                if let list = part.leadingJSON?.array { return list.compactMap { Self.call($0, "arguments") } }
                guard let place = part.firstRange(of: "[ARGS]"), let arguments = part[place.upperBound...].leadingJSON else { return [] }
                let name = part[..<(part.firstRange(of: "[CALL_ID]")?.lowerBound ?? place.lowerBound)]
                return [.object(["name": .string(String(name.trimmed)), "arguments": arguments])]
            }
        }
    }

    private static func call(_ value: JSONValue?, _ key: String) -> JSONValue? {
        guard let name = value?["name"]?.string else { return nil }
        return .object(["name": .string(name), "arguments": value?[key] ?? .object([:])])
    }
}

extension ChatTemplate {
    /// The calls of tools in what a model said, special tokens included, each `{"name", "arguments"}`. Nothing is ever called.
    ///
    /// - Returns: nil where it is not known how models with this template write calls.
    package func toolCalls(in said: String) -> [JSONValue]? { ToolCallConvention(template: text)?.calls(in: said) }
}

extension StringProtocol {
    /// Without white space at both ends.
    fileprivate var trimmed: SubSequence {
        let rest = drop { $0.isWhitespace }
        return rest.lastIndex { !$0.isWhitespace }.map { rest[...$0] } ?? rest.prefix(0)
    }

    /// What follows each mark, up to the next.
    fileprivate func components(behind mark: String) -> [Substring] {
        Array(Substring(self).split(separator: mark, omittingEmptySubsequences: false).dropFirst())
    }

    /// The parts between marks outside of texts in double quotes.
    fileprivate func components(separatedBy mark: Character) -> [Substring] {
        var (isQuoted, isEscaped) = (false, false)
        return Substring(self).split(omittingEmptySubsequences: true) { character in
            if isEscaped {
                isEscaped = false
            } else if character == "\"" {
                isQuoted.toggle()
            } else {
                isEscaped = isQuoted && character == "\\"
            }
            return character == mark && !isQuoted
        }
    }

    /// The object or list that a text begins with, whatever follows.
    fileprivate var leadingJSON: JSONValue? {
        let bytes = Array(trimmed.utf8)
        guard let first = bytes.first, first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else { return nil }
        var (depth, isQuoted, isEscaped) = (0, false, false)
        for (index, byte) in bytes.enumerated() {
            if isEscaped {
                isEscaped = false
                continue
            }
            switch byte {
            case UInt8(ascii: "\\") where isQuoted: isEscaped = true
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: "{"), UInt8(ascii: "["): if !isQuoted { depth += 1 }
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if !isQuoted { depth -= 1 }
                guard depth == 0, !isQuoted else { continue }
                return try? JSONValue(parsing: Array(bytes[...index]))
            default: break
            }
        }
        return nil
    }
}
