import JSONText
package import Tokenization

extension ChatTemplate {
    /// What ends a response while a model generates: ids, and texts of which no token stands for the whole.
    ///
    /// The same ends that are learned, and texts at which the model has begun to speak for the user.
    package func stops(in tokenizer: Tokenizer) -> (ids: [TokenID], texts: [String]) {
        var ids = Set(tokenizer.specialTokens.stops)
        var texts = builtin?.stopTexts ?? []
        for end in ends {
            if let id = tokenizer.id(of: end) { ids.insert(id) } else { texts.append(end) }
        }
        return (ids.sorted(), texts)
    }

    /// Tokens that the template is made of and the tokenizer does not have: it writes them as ordinary text, which only a
    /// model trained that way understands.
    package func missingTokens(in tokenizer: Tokenizer) -> [String] {
        builtin?.tokens.filter { tokenizer.id(of: $0) == nil } ?? []
    }

    /// The special token that the template writes behind an answer; nil where there is none, or where the template refuses a
    /// conversation of two turns.
    func endOfTurn(in tokenizer: Tokenizer) -> TokenID? {
        let talk = Conversation([Conversation.message("user", "a question"), Conversation.message("assistant", Self.answer)])
        guard let prompt = try? render(talk), let place = prompt.bytes.lastRange(of: Array(Self.answer.utf8)) else { return nil }
        return tokenizer.ids(of: prompt, from: place.upperBound).first.flatMap { tokenizer.isSpecial($0) ? $0 : nil }
    }

    /// The special token that ends an answer which calls a tool, where none of the ends that are known does: the last that the
    /// template writes behind the call, or else the first of the tool's turn.
    func endOfCall(in tokenizer: Tokenizer, besides known: [String]) -> TokenID? {
        guard text.contains("tool_calls") else { return nil }
        let asked = Conversation([Conversation.message("user", "a question")], tools: Self.tools)
        var called = asked
        called.messages.append(Self.call)
        guard var said = try? render(called), let place = said.bytes.lastRange(of: Array(Self.answer.utf8)) else { return nil }
        // What opens the next answer unasked is no end of this one.
        if let question = try? render(asked), let opened = try? render(asked, opensResponse: true), question.isPrefix(of: opened) {
            let opening = opened.bytes[question.bytes.count...]
            if !opening.isEmpty, said.bytes[place.upperBound...].suffix(opening.count) == opening {
                said = said.prefix(said.bytes.count - opening.count)
            }
        }
        let tail = said.bytes[place.upperBound...]
        if known.contains(where: { tail.firstRange(of: $0.utf8) != nil }) { return nil }
        called.messages.append(Self.result)
        let following = (try? render(called)).flatMap { said.isPrefix(of: $0) ? $0 : nil }
        let rest = following?.bytes[said.bytes.count...] ?? []
        if known.contains(where: { rest.starts(with: $0.utf8) }) { return nil }
        let blankCount = tail.reversed().prefix { [0x20, 0x09, 0x0a, 0x0d].contains($0) }.count
        let ids = tokenizer.ids(of: said.prefix(said.bytes.count - blankCount), from: place.upperBound)
        if let last = ids.last, tokenizer.isSpecial(last) { return last }
        guard let following else { return nil }
        return tokenizer.ids(of: following, from: said.bytes.count).first.flatMap { tokenizer.isSpecial($0) ? $0 : nil }
    }

    private static let answer = "an-answer"
    /// What templates want to know of a tool, a call and its result, those with rules for ids as well.
    private static let (function, callID) = (JSONValue.string("a_function"), JSONValue.string("call00001"))
    private static let tools = JSONValue.array([
        .object([
            "type": .string("function"),
            "function": .object([
                "name": function, "description": .string("a tool"),
                "parameters": .object([
                    "type": .string("object"),
                    "properties": .object(["x": .object(["type": .string("string"), "description": .string("a text")])]),
                    "required": .array([.string("x")]),
                ]),
            ]),
        ])
    ])
    private static let call = JSONValue.object([
        "role": .string("assistant"), "content": .string(""),
        "tool_calls": .array([
            .object([
                "id": callID, "type": .string("function"),
                "function": .object(["name": function, "arguments": .object(["x": .string(answer)])]),
            ])
        ]),
    ])
    static let result = JSONValue.object([
        "role": .string("tool"), "content": .string("a result"), "name": function, "tool_call_id": callID,
    ])
}

extension Tokenizer {
    /// The ids of what follows a place.
    fileprivate func ids(of prompt: RenderedPrompt, from start: Int) -> [TokenID] {
        let markup = prompt.markup.compactMap { range -> Range<Int>? in
            let kept = range.clamped(to: start..<prompt.bytes.count)
            return kept.isEmpty ? nil : kept.lowerBound - start..<kept.upperBound - start
        }
        return Array(encode(Array(prompt.bytes[start...]), markup: markup, continuesText: true).joined())
    }
}

extension [UInt8] {
    /// Where a text occurs last.
    func lastRange(of text: [UInt8]) -> Range<Int>? {
        guard count >= text.count else { return nil }
        let start = (0...count - text.count).last { self[$0...].starts(with: text) }
        return start.map { $0..<$0 + text.count }
    }
}
