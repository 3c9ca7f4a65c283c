import ByteIO
package import JSONText
package import Jinja
package import Tokenization

/// How a model's author, or whoever runs the model, writes conversations.
///
///     let template = try ChatTemplate(.model, text: tokenizer.chatTemplates["default"]!, tokenizer)
///     let prompt = try template.render(Conversation(user: "Hello"), opensResponse: true)
///     let ids = tokenizer.encode(prompt).ids
package struct ChatTemplate: Sendable {
    package enum Origin: Hashable, Sendable {
        /// The model's, by its name there; `default` where it has none.
        case model(String)
        case builtin(BuiltinTemplate)
        case file(String)
    }

    package let origin: Origin
    /// In Jinja.
    package let text: String
    /// Variables of the caller's choice, such as `enable_thinking`.
    package var options = JSONObject()
    /// The time that the template may ask for.
    package var clock = TemplateClock.now
    /// Whether special tokens in what is said are tokens; else they are text like any other. Only what is prompted with `none`
    /// is by itself: that is a text as it stands, which transformers' tokenizers read so, and may be in a template of its own.
    package var readsSpecialTokens: Bool
    private let template: Template
    private let tokens: [String: TemplateValue]
    /// The token `eos_token`, where the model has it.
    let endOfText: String?
    /// Where what the model says ends, as it is learned and as it is stopped: the tokens that its files name, then what the template
    /// writes behind an answer and behind a call of a tool.
    private(set) var ends: [String]

    /// - Throws: where the text is no template, or uses what is not supported.
    package init(_ origin: Origin, text: String, _ tokenizer: Tokenizer) throws(PromptError) {
        self.origin = origin
        self.text = text
        readsSpecialTokens = origin == .builtin(.none)
        tokens = tokenizer.roleTexts.mapValues { .template($0) }
        endOfText = tokenizer.roleTexts["eos_token"]
        ends = tokenizer.specialTokens.stops.compactMap(tokenizer.spelling)
        do throws(TemplateError) { template = try Template(parsing: text) } catch {
            throw PromptError("\(Self.title(origin)) cannot be read: \(error)")
        }
        if let end = builtin?.end ?? endOfTurn(in: tokenizer).flatMap(tokenizer.spelling), !ends.contains(end) { ends.append(end) }
        if let end = endOfCall(in: tokenizer, besides: ends).flatMap(tokenizer.spelling) { ends.append(end) }
    }

    package init(_ builtin: BuiltinTemplate, _ tokenizer: Tokenizer) throws(PromptError) {
        try self.init(.builtin(builtin), text: builtin.source, tokenizer)
    }

    package var builtin: BuiltinTemplate? { if case .builtin(let builtin) = origin { builtin } else { nil } }

    /// Whether messages may have an `input` beside their content.
    package var hasInput: Bool { builtin == .alpaca }

    /// For people: `alpaca`, `of the model`, `'tool_use' of the model`, `my.jinja`.
    package var name: String {
        switch origin {
        case .model(let name): name == "default" ? "of the model" : "'\(name)' of the model"
        case .builtin(let builtin): builtin.rawValue
        case .file(let path): path
        }
    }

    /// SHA-256 of the text.
    package var digest: String {
        var hash = SHA256()
        hash.append(Array(text.utf8))
        return hash.finish()
    }

    /// What tells the template from others, and what it is told of the date: a known name, or one with the beginning of the digest.
    package func identity(on date: String?) -> String {
        builtin == nil ? ([name, String(digest.prefix(16))] + (date.map { [$0] } ?? [])).joined(separator: ", ") : name
    }

    /// The names that the template asks its caller for.
    package var variables: [String] { template.variables }

    /// Whether what the model says is marked.
    package var marksResponses: Bool { template.hasGenerationBlocks }

    /// - Parameter opensResponse: whether the model is to go on with a response.
    /// - Throws: what the template says against the conversation, or where in it something went wrong.
    package func render(_ conversation: Conversation, opensResponse: Bool = false) throws(PromptError) -> RenderedPrompt {
        let rendered = try rendered(conversation, opensResponse: opensResponse)
        return RenderedPrompt(rendered, isFramed: builtin != nil, readsSpecialTokens: readsSpecialTokens)
    }

    /// The same with what the template marks as responses.
    func renderMarked(_ conversation: Conversation) throws(PromptError) -> RenderedPrompt {
        let rendered = try rendered(conversation, opensResponse: false)
        var prompt = RenderedPrompt(rendered, isFramed: builtin != nil, readsSpecialTokens: readsSpecialTokens)
        let scalars = rendered.text.unicodeScalars
        var place = (scalar: 0, byte: 0, index: scalars.startIndex)
        func byte(_ scalar: Int) -> Int {
            while place.scalar < scalar {
                place.byte += UTF8.width(scalars[place.index])
                scalars.formIndex(after: &place.index)
                place.scalar += 1
            }
            return place.byte
        }
        prompt.responses = rendered.generationSpans.map { span in
            let start = byte(span.lowerBound)
            return start..<byte(span.upperBound)
        }
        return prompt
    }

    private func rendered(_ conversation: Conversation, opensResponse: Bool) throws(PromptError) -> RenderedTemplate {
        var variables = tokens
        variables["messages"] = .messages(ChatMessages.prepared(.array(conversation.messages)))
        variables["tools"] = .data(conversation.tools ?? .null)
        variables["documents"] = .data(conversation.documents ?? .null)
        variables["add_generation_prompt"] = .data(.bool(opensResponse))
        for option in options.members { variables[option.key] = .data(option.value) }
        do throws(TemplateError) { return try template.render(variables, clock: clock) } catch {
            if error.isRaisedByTemplate, builtin != nil { throw PromptError(error.message) }
            throw PromptError("\(Self.title(origin)) \(error.isRaisedByTemplate ? "says: \(error.message)" : "fails: \(error)")")
        }
    }

    private static func title(_ origin: Origin) -> String {
        switch origin {
        case .model(let name): name == "default" ? "the model's chat template" : "the model's chat template '\(name)'"
        case .builtin(let builtin): "the template \(builtin.rawValue)"
        case .file(let path): "the template \(path)"
        }
    }
}
