import ByteIO
import JSONText
import Tokenization

/// Reads the turns of a conversation in the spellings that data sets have:
///
///     {"role": "user", "content": "Hi"}           as transformers and OpenAI have them
///     {"from": "human", "value": "Hi"}            as ShareGPT has them
///
/// The text may also be a list of parts, `{"type": "text", "text": "Hi"}`, which follow each other without anything between. A
/// member that is null is taken for one that is not there. Turns and calls of tools are refused by name: no template that is
/// known here has a place for them, and a conversation without them would teach something else.
struct ConversationReader {
    /// Fields of a record that may hold a conversation.
    static let fields = ["messages", "conversations"]

    private let path: String
    /// The record, for messages.
    private let place: String
    /// Members of turns that nobody reads.
    private(set) var unusedFields: Set<String> = []

    private static let spellings = [(role: "role", text: "content"), (role: "from", text: "value")]
    private static let roles: KeyValuePairs<ChatMessage.Role, [String]> = [
        .system: ["system"], .user: ["user", "human"], .assistant: ["assistant", "gpt", "model", "bot"],
    ]
    private static let toolRoles = [
        "tool", "function", "observation", "ipython", "tool_call", "function_call", "tool_response", "function_response", "tool_result",
    ]
    private static let calls = ["tool_calls", "function_call"]
    private static let toolHint = "leave out records with tools, or write calls and results into the texts of the messages"

    init(path: String, place: String) {
        self.path = path
        self.place = place
    }

    /// - Parameters:
    ///   - value: of the record's member `field`.
    ///   - system: a system message that stands in the record, outside of the list.
    /// - Throws: for anything but turns of the three roles, one of them the model's, with a text each.
    mutating func messages(_ value: JSONValue, field: String, system: String?) throws(FileError) -> [ChatMessage] {
        guard let values = value.array, !values.isEmpty else { throw FileError(path, at: place, "'\(field)' is not a list of messages") }
        var messages: [ChatMessage] = []
        for (index, value) in values.enumerated() { messages.append(try message(value, "\(place), message \(index + 1)")) }
        if let system, !system.isEmpty {
            guard messages.first?.role != .system else {
                throw FileError(path, at: place, "there is a system message in '\(field)', and another in 'system'")
            }
            messages.insert(ChatMessage(.system, system), at: 0)
        }
        guard messages.contains(where: { $0.role == .assistant }) else {
            throw FileError(path, at: place, "none of its messages is of the assistant, so there is nothing to learn")
        }
        return messages
    }

    private mutating func message(_ value: JSONValue, _ place: String) throws(FileError) -> ChatMessage {
        guard let members = value.object?.withoutNulls else {
            throw FileError(path, at: place, "a message is an object with 'role' and 'content', or 'from' and 'value'")
        }
        let present = Self.spellings.filter { members[$0.role] != nil }
        guard present.count == 1, let spelling = present.first else {
            throw FileError(
                path, at: place, "a message has either 'role' and 'content' or 'from' and 'value', but this one has \(names(members))")
        }
        let role = try role(members[spelling.role], spelling.role, place)
        for call in Self.calls where !isEmpty(members[call]) {
            throw FileError(path, at: place, "'\(call)': calls of tools are in no template that is known here", hint: Self.toolHint)
        }
        let text = try text(members[spelling.text], spelling.text, place)
        for member in members.members where ![spelling.role, spelling.text].contains(member.key) && !isEmpty(member.value) {
            unusedFields.insert(member.key)
        }
        return ChatMessage(role, text)
    }

    private func role(_ value: JSONValue?, _ field: String, _ place: String) throws(FileError) -> ChatMessage.Role {
        guard let name = value?.string else { throw FileError(path, at: place, "'\(field)' is not a string") }
        if let found = Self.roles.first(where: { $0.value.contains(name) }) { return found.key }
        guard !Self.toolRoles.contains(name) else {
            throw FileError(path, at: place, "role '\(name)': turns of tools are in no template that is known here", hint: Self.toolHint)
        }
        let known = Self.roles.flatMap(\.value).joined(separator: ", ")
        throw FileError(path, at: place, "role '\(JSONError.excerpt(name))' is unknown; known are \(known)")
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
