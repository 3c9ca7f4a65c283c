extension PromptTemplate {
    /// The template that writes to the letter what a model's own, written in Jinja, writes; nil where none is known to.
    package static func recognized(inJinja jinja: String) -> PromptTemplate? { KnownTemplates.all.template(jinja) }

    /// The template that a model's own looks like, by marks that no other has; nil where it looks like none or several.
    ///
    /// An approximation, which whoever uses it has to say: dates, thoughts, tools and white space may be another matter there.
    package static func resembling(jinja: String) -> PromptTemplate? {
        let text = Array(jinja.utf8)
        func has(_ marks: String...) -> Bool { marks.allSatisfy { text.contains(Array($0.utf8)) } }
        // Llama 2's chat template looks like Mistral's but for its system message.
        let found: [PromptTemplate?] = [
            has("<|im_start|>", "<|im_end|>") ? PromptTemplate(.chatml, defaultSystem: defaultChatMLSystem(text)) : nil,
            has("<|start_header_id|>", "<|eot_id|>") ? PromptTemplate(.llama3) : nil,
            has("[INST]", "[/INST]") && !has("<<SYS>>") ? PromptTemplate(.mistral) : nil,
            has("### Instruction:", "### Response:") ? alpaca(text) : nil,
        ]
        let templates = found.compactMap { $0 }
        guard templates.count == 1, var template = templates.first else { return nil }
        template.beginning = has("bos_token") ? .writtenIfAny : .absent
        return template
    }

    /// With the opening that is known by the name, or with none.
    private static func alpaca(_ jinja: [UInt8]) -> PromptTemplate {
        let known = PromptTemplate(.alpaca)
        return known.defaultSystem.map { jinja.contains(Array($0.utf8)) } ?? false ? known : PromptTemplate(.alpaca, defaultSystem: nil)
    }

    /// The text of `'<|im_start|>system\nTEXT<|im_end|>'` where it is written out, with a line feed or with its escape.
    static func defaultChatMLSystem(_ jinja: [UInt8]) -> String? {
        var rest = jinja[...]
        while let start = rest.firstRange(of: Array("<|im_start|>system".utf8)) {
            rest = rest[start.upperBound...]
            guard let lineFeed = ["\n", "\\n"].first(where: { rest.starts(with: $0.utf8) }) else { continue }
            let text = rest.dropFirst(lineFeed.utf8.count)
            guard let end = text.firstRange(of: Array("<|im_end|>".utf8)), !text[..<end.lowerBound].isEmpty else { continue }
            let words = text[..<end.lowerBound]
            if !words.contains(where: { "'\"{}\\\n".utf8.contains($0) }) { return String(decoding: words, as: UTF8.self) }
        }
        return nil
    }
}
