/// The ids of a prompt or a training sample.
package struct EncodedPrompt: Hashable, Sendable {
    package let ids: [TokenID]
    /// Where the model's responses are, each with its end: what is learned. In ascending order.
    package let responses: [Range<Int>]
}

/// A template that a tokenizer cannot write.
package struct PromptError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
}

extension Tokenizer {
    /// Encodes what a template has rendered, with the special tokens in front that its `beginning` asks for.
    ///
    /// Text is encoded in one go up to where a response begins or ends, and cut there: a model that generates has the same
    /// ids before it as one that learns.
    package func encode(_ prompt: RenderedPrompt) throws(PromptError) -> EncodedPrompt {
        var ids = try beginning(of: prompt)
        var responses: [Range<Int>] = []
        var run = PromptRun()
        // A BOS that a template writes is part of the text; one that the tokenizer adds is not.
        var beginsText = ids.isEmpty || prompt.beginning == .tokenizers
        func close() {
            guard !run.text.isEmpty else { return }
            let start = ids.count
            ids += encode(run.text, markup: run.markup, continuesText: run.continuesText, beginsText: beginsText)
            beginsText = false
            if run.isResponse { responses.append(start..<ids.count) }
        }
        for piece in prompt.pieces {
            switch piece {
            case .markup(let text, let isResponse), .said(let text, let isResponse):
                if isResponse != run.isResponse {
                    close()
                    run = PromptRun(isResponse: isResponse, continuesText: run.continuesText || !run.text.isEmpty)
                }
                var isMarkup = false
                if case .markup = piece { isMarkup = true }
                run.append(text, isMarkup: isMarkup)
            case .endOfText:
                guard let end = specialTokens.end else {
                    throw PromptError(description: "the template ends responses with the end of text, for which the tokenizer has no token")
                }
                close()
                var start = ids.count
                if let last = responses.last, last.upperBound == start { start = responses.removeLast().lowerBound }
                ids.append(end)
                beginsText = false
                responses.append(start..<ids.count)
                run = PromptRun()
            }
        }
        close()
        return EncodedPrompt(ids: ids, responses: responses)
    }

    private func beginning(of prompt: RenderedPrompt) throws(PromptError) -> [TokenID] {
        switch prompt.beginning {
        case .tokenizers: return frame.before
        case .absent: return []
        case .writtenIfAny: return specialTokens.beginning.map { [$0] } ?? []
        case .written:
            guard let beginning = specialTokens.beginning else {
                throw PromptError(description: "the template begins with the BOS, for which the tokenizer has no token")
            }
            return [beginning]
        }
    }
}

/// Text up to where a response begins or ends.
private struct PromptRun {
    private(set) var text: [UInt8] = []
    /// Where the text is the template's, in ascending order.
    private(set) var markup: [Range<Int>] = []
    var isResponse = false
    /// Whether it goes on where other text ended.
    var continuesText = false

    mutating func append(_ piece: String, isMarkup: Bool) {
        let start = text.count
        text += Array(piece.utf8)
        guard isMarkup else { return }
        if let last = markup.last, last.upperBound == start {
            markup[markup.count - 1] = last.lowerBound..<text.count
        } else {
            markup.append(start..<text.count)
        }
    }
}
