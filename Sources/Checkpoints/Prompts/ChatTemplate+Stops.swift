package import Tokenization

extension ChatTemplate {
    /// What ends a response while a model generates: ids, and texts of which no token stands for the whole.
    ///
    /// Beside what the model's files say: the special token that the template writes after a response.
    package func stops(in tokenizer: Tokenizer) -> (ids: [TokenID], texts: [String]) {
        var ids = Set(tokenizer.specialTokens.stops)
        var texts = builtin?.stopTexts ?? []
        if let end = builtin?.end {
            if let id = tokenizer.id(of: end) { ids.insert(id) } else { texts.append(end) }
        } else if let id = endOfTurn(in: tokenizer) {
            ids.insert(id)
        }
        return (ids.sorted(), texts)
    }

    /// Tokens that the template is made of and the tokenizer does not have: it writes them as ordinary text, which only a
    /// model trained that way understands.
    package func missingTokens(in tokenizer: Tokenizer) -> [String] {
        builtin?.tokens.filter { tokenizer.id(of: $0) == nil } ?? []
    }

    /// Nil where a response is not followed by a special token, or the template refuses a conversation of two turns.
    func endOfTurn(in tokenizer: Tokenizer) -> TokenID? {
        let answer = "an-answer"
        let talk = Conversation([Conversation.message("user", "a question"), Conversation.message("assistant", answer)])
        guard let prompt = try? render(talk), let place = prompt.bytes.lastRange(of: Array(answer.utf8)) else { return nil }
        let markup = prompt.markup.compactMap { range -> Range<Int>? in
            let kept = range.clamped(to: place.upperBound..<prompt.bytes.count)
            return kept.isEmpty ? nil : kept.lowerBound - place.upperBound..<kept.upperBound - place.upperBound
        }
        let ids = tokenizer.encode(Array(prompt.bytes[place.upperBound...]), markup: markup, continuesText: true).joined()
        return ids.first.flatMap { tokenizer.isSpecial($0) ? $0 : nil }
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
