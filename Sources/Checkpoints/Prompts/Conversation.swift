package import JSONText

/// What a chat template is given: turns, and what the model may use.
package struct Conversation: Hashable, Sendable {
    /// Objects with `role` and mostly `content`, as templates know them.
    package var messages: [JSONValue]
    /// Schemas of functions that the model may call; nil where there are none.
    package var tools: JSONValue?
    package var documents: JSONValue?

    package init(_ messages: [JSONValue] = [], tools: JSONValue? = nil, documents: JSONValue? = nil) {
        self.messages = messages
        self.tools = tools
        self.documents = documents
    }

    package static func message(_ role: String, _ content: String) -> JSONValue {
        .object(["role": .string(role), "content": .string(content)])
    }

    /// A person's question, after a system message where there is one.
    package init(system: String? = nil, user: String) {
        self.init((system.map { [Self.message("system", $0)] } ?? []) + [Self.message("user", user)])
    }

    /// An instruction with what it is about, which may be empty: the one way to say both that templates know is one text, unless
    /// they have a place for an input.
    ///
    /// - Parameter hasInput: whether the template has one.
    package init(instruction: String, input: String, hasInput: Bool) {
        if !input.isEmpty, hasInput {
            self.init([.object(["role": .string("user"), "content": .string(instruction), "input": .string(input)])])
        } else {
            self.init(user: input.isEmpty ? instruction : "\(instruction)\n\n\(input)")
        }
    }

    package mutating func append(_ role: String, _ content: String) { messages.append(Self.message(role, content)) }

    /// Up to a message, with the same tools.
    func prefix(_ count: Int) -> Conversation { Conversation(Array(messages.prefix(count)), tools: tools, documents: documents) }
}
