import JSONText
package import Tokenization

extension ChatTemplate {
    /// A conversation as it is learned, what the model is to say marked.
    ///
    /// Where the template marks responses (`{% generation %}`), these are learned. Otherwise a response is what is there with an
    /// answer and was not there without: the end of the answer belongs to it, what comes after that does not. A template that
    /// writes earlier turns in another way once more follow (without their thoughts) gives a text for each answer, as the model
    /// will see them.
    ///
    /// - Returns: one text mostly, or one for each answer.
    /// - Throws: also where the text with an answer does not begin with the text without it.
    package func lessons(of conversation: Conversation) throws(PromptError) -> [RenderedPrompt] {
        if marksResponses { return [try renderMarked(conversation)] }
        var whole = try render(conversation)
        var texts: [RenderedPrompt] = []
        for (index, message) in conversation.messages.enumerated() where message["role"]?.string == "assistant" {
            let before = try render(conversation.prefix(index), opensResponse: true)
            let isLast = index + 1 == conversation.messages.count
            var text = isLast ? whole : try render(conversation.prefix(index + 1))
            guard before.isPrefix(of: text) else {
                throw PromptError(
                    "message \(index + 1): the text with the answer does not begin with the text that asks for it, so that what is "
                        + "to be learned is not known; it ends in \(Self.ending(before, besides: text)), but the answer's has "
                        + "\(Self.ending(text, besides: before)) there",
                    hint: "records that also say what the template puts in front of an answer, or another template")
            }
            text = try ended(text, ofMessage: index, in: conversation, since: before)
            if isLast { whole = text }
            text.responses = [before.bytes.count..<text.endOfResponse]
            texts.append(text)
        }
        if texts.allSatisfy({ $0.bytes.count <= whole.bytes.count && whole.bytes.starts(with: $0.bytes[..<$0.responses[0].upperBound]) }) {
            whole.responses = texts.map { $0.responses[0] }
            return [whole]
        }
        return texts
    }

    /// A text that is learned as it stands: a prompt, and what follows it with an end.
    package static func lesson(prompt: String, completion: String, _ tokenizer: Tokenizer, readsSpecialTokens: Bool)
        throws(PromptError) -> RenderedPrompt
    {
        guard let end = tokenizer.roleTexts["eos_token"] else {
            throw PromptError("the template ends responses with the end of text, for which the tokenizer has no token")
        }
        var text = RenderedPrompt(isFramed: true)
        text.append(prompt, isMarkup: readsSpecialTokens)
        let start = text.bytes.count
        text.append(completion, isMarkup: readsSpecialTokens)
        text.append(end, isMarkup: true)
        text.responses = [start..<text.bytes.count]
        return text
    }

    /// A text with the end of its last answer and no next one opened.
    ///
    /// Some templates open the next answer unasked (the first one of Llama 3): what follows the answer's end is what the prompt
    /// ends in, too, and goes. Some end an answer only once a turn follows, as GLM with `<|user|>`, or with `<|observation|>` behind
    /// a call: that token comes behind it if it is one at which the model stops. Where there is no end the end of text is one, unless
    /// the template has ended the answer in words of its own.
    private func ended(
        _ text: RenderedPrompt, ofMessage index: Int, in conversation: Conversation, since before: RenderedPrompt
    ) throws(PromptError) -> RenderedPrompt {
        let count = text.bytes.count
        guard count > before.bytes.count else { return text }
        let tail = (text.markup.last ?? 0..<0).clamped(to: before.bytes.count..<count)
        let isTemplates = !tail.isEmpty && tail.upperBound == count
        if isTemplates {
            var hasEnd = false
            for end in ends {
                guard let place = text.bytes[tail].firstRange(of: end.utf8) else { continue }
                hasEnd = true
                let opening = text.bytes[place.upperBound...]
                let isBlank = opening.allSatisfy { [0x20, 0x09, 0x0a, 0x0d].contains($0) }
                if !isBlank, before.bytes.suffix(opening.count) == opening { return text.prefix(place.upperBound) }
            }
            if hasEnd { return text }
        }
        let callsTool = conversation.messages[index]["tool_calls"]?.array?.isEmpty == false
        if let following = following(text, afterMessage: index, in: conversation, callsTool: callsTool) {
            for end in ends where following.bytes[count...].starts(with: end.utf8) {
                return following.prefix(count + end.utf8.count)
            }
        }
        // A call may end in other words than an answer, which are no end: `</tool_call>`.
        if isTemplates, !callsTool || hasSameEnding(text, as: conversation, before: index) { return text }
        guard let endOfText else {
            guard !callsTool else {
                throw PromptError(
                    "message \(index + 1): the template writes no end behind a call of a tool, and the model has no end of text, so that "
                        + "it would not learn to stop there", hint: "another template, or a tokenizer_config.json that names an eos_token")
            }
            return text
        }
        var closed = text
        closed.append(endOfText, isMarkup: true)
        return closed
    }

    /// The text once another turn follows: the one that does, or else one that may.
    private func following(
        _ text: RenderedPrompt, afterMessage index: Int, in conversation: Conversation, callsTool: Bool
    ) -> RenderedPrompt? {
        var candidates: [JSONValue] = []
        if index + 1 < conversation.messages.count { candidates.append(conversation.messages[index + 1]) }
        candidates += callsTool ? [Self.result] : [Conversation.message("user", "a question")]
        for next in candidates where next["role"]?.string != "assistant" {
            var continued = conversation.prefix(index + 1)
            continued.messages.append(next)
            if let following = try? render(continued), text.isPrefix(of: following) { return following }
        }
        return nil
    }

    /// Whether a text ends as one with a plain answer in the same place does, in words that are the template's.
    private func hasSameEnding(_ text: RenderedPrompt, as conversation: Conversation, before index: Int) -> Bool {
        let answer = "an-answer"
        var plain = conversation.prefix(index)
        plain.append("assistant", answer)
        guard let other = try? render(plain), let place = other.bytes.lastRange(of: Array(answer.utf8)) else { return true }
        let ending = other.bytes[place.upperBound...]
        return !ending.allSatisfy { [0x20, 0x09, 0x0a, 0x0d].contains($0) } && text.bytes.suffix(ending.count) == ending
    }

    /// What of a text follows its common beginning with another, in quotes and not too long.
    private static func ending(_ text: RenderedPrompt, besides other: RenderedPrompt) -> String {
        let shared = zip(text.bytes, other.bytes).prefix { $0 == $1 }.count
        let rest = String(decoding: text.bytes[max(0, shared - 20)...].prefix(80), as: UTF8.self)
        return rest.debugDescription
    }
}

extension RenderedPrompt {
    /// Without white space that the template writes after the end of the last response.
    fileprivate var endOfResponse: Int {
        let end = bytes.count - bytes.reversed().prefix { [0x20, 0x09, 0x0a, 0x0d].contains($0) }.count
        // Only behind something of the template's: white space may be the answer.
        return markup.last.map { $0.upperBound == bytes.count && $0.lowerBound < end } ?? false ? end : bytes.count
    }
}
