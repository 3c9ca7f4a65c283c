import ByteIO
import JSONText
import Prompts

/// Reads the turns of a conversation in the spellings that data sets have:
///
///     {"role": "user", "content": "Hi"}           as transformers and OpenAI have them
///     {"from": "human", "value": "Hi"}            as ShareGPT has them
///
/// The text may also be a list of parts, `{"type": "text", "text": "Hi"}`, which follow each other without anything between. A
/// member that is null is taken for one that is not there. What becomes of turns and calls of tools is up to the chat template; here
/// they only get the names that templates know:
///
///     {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
///     {"role": "tool", "content": "3"}
///     {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {}}"}        as the first
///     {"from": "observation", "value": "3"}                                            as the second
package struct ConversationReader {
    /// Fields of a record that may hold a conversation.
    package static let fields = ["messages", "conversations"]

    private let path: String
    /// The record, for messages.
    private let place: String
    /// Members of turns that nobody reads.
    private(set) var unusedFields: Set<String> = []

    private static let spellings = [(role: "role", text: "content"), (role: "from", text: "value")]
    private static let roles: KeyValuePairs<String, [String]> = [
        "system": ["system"], "developer": ["developer"], "user": ["user", "human"], "assistant": ["assistant", "gpt", "model", "bot"],
        "tool": ["tool", "function", "observation", "ipython", "tool_response", "function_response", "tool_result"],
    ]
    /// Turns of the model whose text is a call.
    private static let callRoles = ["tool_call", "function_call"]
    /// Members beside role and text that templates know.
    private static let passed = ["tool_calls", "tool_call_id", "name", "reasoning_content", "reasoning", "thinking"]

    package init(path: String, place: String) {
        self.path = path
        self.place = place
    }

    /// - Parameters:
    ///   - value: of the record's member `field`.
    ///   - system: a system message that stands in the record, outside of the list.
    /// - Throws: for anything but turns of known roles, one of them the model's, with a text or a call each.
    mutating func messages(_ value: JSONValue, field: String, system: String?) throws(FileError) -> [JSONValue] {
        guard let values = value.array, !values.isEmpty else { throw FileError(path, at: place, "'\(field)' is not a list of messages") }
        var messages: [JSONValue] = []
        for (index, value) in values.enumerated() { messages.append(try message(value, "\(place), message \(index + 1)")) }
        if let system, !system.isEmpty {
            guard messages.first?["role"]?.string != "system" else {
                throw FileError(path, at: place, "there is a system message in '\(field)', and another in 'system'")
            }
            messages.insert(Conversation.message("system", system), at: 0)
        }
        guard messages.contains(where: { $0["role"]?.string == "assistant" }) else {
            throw FileError(path, at: place, "none of its messages is of the assistant, so there is nothing to learn")
        }
        return messages
    }

    private mutating func message(_ value: JSONValue, _ place: String) throws(FileError) -> JSONValue {
        guard let members = value.object?.withoutNulls else {
            throw FileError(path, at: place, "a message is an object with 'role' and 'content', or 'from' and 'value'")
        }
        let present = Self.spellings.filter { members[$0.role] != nil }
        guard present.count == 1, let spelling = present.first else {
            throw FileError(
                path, at: place, "a message has either 'role' and 'content' or 'from' and 'value', but this one has \(names(members))")
        }
        guard let name = members[spelling.role]?.string else { throw FileError(path, at: place, "'\(spelling.role)' is not a string") }
        if Self.callRoles.contains(name) { return try call(members[spelling.text], spelling.text, place) }
        guard let role = Self.roles.first(where: { $0.value.contains(name) })?.key else {
            let known = Self.roles.flatMap(\.value) + Self.callRoles
            throw FileError(
                path, at: place, "role '\(JSONError.excerpt(name))' is unknown; known are \(known.joined(separator: ", "))")
        }
        var message = JSONObject(["role": .string(role)])
        var calls = members["tool_calls"]
        if isEmpty(calls), let call = members["function_call"], !isEmpty(call) { calls = self.calls(call) }
        if members[spelling.text] != nil || isEmpty(calls) {
            message["content"] = .string(try text(members[spelling.text], spelling.text, place))
        }
        if let calls, !isEmpty(calls) { message["tool_calls"] = calls }
        for member in members.members where ![spelling.role, spelling.text, "tool_calls", "function_call"].contains(member.key) {
            if isEmpty(member.value) { continue }
            if Self.passed.contains(member.key) { message[member.key] = member.value } else { unusedFields.insert(member.key) }
        }
        return .object(message)
    }

    /// One call in the form of several.
    private func calls(_ call: JSONValue) -> JSONValue { .array([.object(["type": .string("function"), "function": call])]) }

    private func call(_ value: JSONValue?, _ field: String, _ place: String) throws(FileError) -> JSONValue {
        let text = try text(value, field, place)
        guard let call = try? JSONValue(parsing: Array(text.utf8)), call["name"]?.string != nil else {
            throw FileError(path, at: place, "a call of a tool is the text of an object with 'name' and 'arguments'")
        }
        return .object(["role": .string("assistant"), "tool_calls": calls(call)])
    }

    private func text(_ value: JSONValue?, _ field: String, _ place: String) throws(FileError) -> String {
        switch value {
        case .string(let text): return text
        case .array(let parts) where !parts.isEmpty:
            var text = ""
            for (index, part) in parts.enumerated() { text += try self.text(ofPart: part, "\(place), part \(index + 1)") }
            return text
        case nil, .array:
            throw FileError(
                path, at: place, "'\(field)' is \(value == nil ? "missing or null" : "an empty list"), and no call of a tool stands for it",
                hint: "leave the message out, or give it a text; \"\" is one")
        default: throw FileError(path, at: place, "'\(field)' is neither a string nor a list of parts")
        }
    }

    private func text(ofPart part: JSONValue, _ place: String) throws(FileError) -> String {
        guard let type = part["type"]?.string else { throw FileError(path, at: place, "a part is an object with a 'type'") }
        guard type == "text" else {
            throw FileError(
                path, at: place, "is of type '\(JSONError.excerpt(type))', but only parts of type 'text' can be learned",
                hint: "leave out records with other parts")
        }
        guard let text = part["text"]?.string else { throw FileError(path, at: place, "'text' is not a string") }
        return text
    }

    private func names(_ members: JSONObject) -> String {
        let names = members.members.prefix(8).map { "'\(JSONError.excerpt($0.key))'" }.joined(separator: ", ")
        return names.isEmpty ? "none of them" : names
    }

    /// Nothing, an empty list or an empty object: how writers with a fixed set of members say that there is none.
    private func isEmpty(_ value: JSONValue?) -> Bool {
        guard let value else { return true }
        return value.array?.isEmpty ?? value.object?.members.isEmpty ?? false
    }
}

extension JSONObject {
    /// Without the members that are null: tables write null for what a row does not have.
    var withoutNulls: JSONObject {
        var kept = JSONObject()
        for member in members where member.value != .null { kept[member.key] = member.value }
        return kept
    }
}
