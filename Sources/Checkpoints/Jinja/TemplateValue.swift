package import JSONText

/// A variable for a template, and who wrote its text.
package struct TemplateValue: Hashable, Sendable {
    private enum Origin: Hashable {
        case data, template, messages
    }

    package let json: JSONValue
    private let origin: Origin

    /// What people and files say. None of it is ever taken for a special token.
    package static func data(_ json: JSONValue) -> TemplateValue { TemplateValue(json: json, origin: .data) }

    /// What the model's own files say, such as the text of its special tokens: as if it stood in the template.
    package static func template(_ json: JSONValue) -> TemplateValue { TemplateValue(json: json, origin: .template) }

    package static func template(_ text: String) -> TemplateValue { .template(.string(text)) }

    /// A list of messages: data, but for the value of `role` where it is a plain word. Templates put it between the parts
    /// of special tokens: `'<|' + message.role + '|>'`.
    package static func messages(_ json: JSONValue) -> TemplateValue { TemplateValue(json: json, origin: .messages) }

    func value(_ budget: Budget) throws(Fault) -> Value {
        switch origin {
        case .data: return try Self.value(json, .data, budget)
        case .template: return try Self.value(json, .template, budget)
        case .messages:
            guard case .array(let messages) = json else { return try Self.value(json, .data, budget) }
            var values: [Value] = []
            for message in messages { values.append(try Self.message(message, budget)) }
            try budget.spend(values.count, times: 32)
            return .list(try ValueList(values))
        }
    }

    private static func message(_ json: JSONValue, _ budget: Budget) throws(Fault) -> Value {
        guard case .object(let object) = json else { return try value(json, .data, budget) }
        return try dictionary(object, .data, budget) { (key, json) throws(Fault) in
            guard key == "role", let role = json.string, isWord(role) else { return nil }
            return try value(json, .template, budget)
        }
    }

    private static func isWord(_ text: String) -> Bool {
        text.utf8.allSatisfy { byte in byte == UInt8(ascii: "-") || byte < 0x80 && PythonText.isNameByte(byte) }
    }

    private static func value(_ json: JSONValue, _ mark: Mark, _ budget: Budget) throws(Fault) -> Value {
        switch json {
        case .null: return .none
        case .bool(let value): return .bool(value)
        case .number(let number): return try value(number)
        case .string(let text):
            try budget.spend(bytes: text.utf8.count + 64)
            return .string(TemplateString(text, mark: mark))
        case .array(let elements):
            var values: [Value] = []
            try budget.spend(elements.count, times: 32)
            for element in elements { values.append(try value(element, mark, budget)) }
            return .list(try ValueList(values))
        case .object(let object): return try dictionary(object, mark, budget) { (_, _) throws(Fault) in nil }
        }
    }

    private static func dictionary(
        _ object: JSONObject, _ mark: Mark, _ budget: Budget, special: (String, JSONValue) throws(Fault) -> Value?
    ) throws(Fault) -> Value {
        var keys: [Value] = []
        var values: [Value] = []
        for member in object.members {
            try budget.spend(bytes: member.key.utf8.count + 128)
            keys.append(.string(TemplateString(member.key, mark: mark)))
            if let value = try special(member.key, member.value) {
                values.append(value)
            } else {
                values.append(try value(member.value, mark, budget))
            }
        }
        return .dictionary(try ValueDictionary(uniqueKeys: keys, values: values))
    }

    /// As Python's json module reads numbers: whole ones without a fraction or an exponent.
    private static func value(_ number: JSONNumber) throws(Fault) -> Value {
        if let integer = number.integer { return .integer(integer) }
        let isWhole = number.literal.utf8.allSatisfy { $0 == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        if number.literal == "-0" { return .integer(0) }
        return isWhole ? .hugeInteger(HugeInteger(number.literal)) : .double(number.double)
    }
}
