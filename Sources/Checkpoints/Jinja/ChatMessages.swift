package import JSONText

/// What transformers does to messages before a template sees them.
package enum ChatMessages {
    /// The names that a message's reasoning comes under, in the order in which they are asked for.
    private static let reasoningKeys = ["reasoning_content", "thinking", "reasoning"]

    /// Messages as templates expect them: members that are null are gone, and reasoning stands under `reasoning_content` and
    /// `thinking`, whatever it was called.
    ///
    /// `thinking` comes first where it is new, `reasoning_content` last; templates that print a message whole show that.
    package static func prepared(_ messages: JSONValue) -> JSONValue {
        guard case .array(let messages) = messages else { return messages }
        return .array(messages.map(prepared(message:)))
    }

    private static func prepared(message: JSONValue) -> JSONValue {
        guard case .object(let object) = message else { return message }
        var members = JSONObject()
        for member in object.members where member.value != .null { members[member.key] = member.value }
        guard let reasoning = reasoningKeys.lazy.compactMap({ members[$0] }).first else { return .object(members) }
        var prepared = JSONObject()
        prepared["thinking"] = reasoning
        for member in members.members { prepared[member.key] = member.value }
        prepared["reasoning_content"] = reasoning
        return .object(prepared)
    }
}
