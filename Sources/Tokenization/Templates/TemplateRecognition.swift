extension PromptTemplate {
    /// The template that a model's own, written in Jinja, amounts to; nil where it is none of ours.
    ///
    /// Jinja is not run: marks that no other template has tell which one it is. The system message that a ChatML or Alpaca
    /// template opens with by default is taken over; tools, dates and hidden thoughts are not.
    package static func recognized(inJinja jinja: String) -> PromptTemplate? {
        func has(_ marks: String...) -> Bool { marks.allSatisfy { jinja.contains($0) } }
        // Llama 2's chat template looks like Mistral's but for its system message.
        let found: [PromptTemplate?] = [
            has("<|im_start|>", "<|im_end|>") ? PromptTemplate(.chatml, defaultSystem: defaultChatMLSystem(jinja)) : nil,
            has("<|start_header_id|>", "<|eot_id|>") ? PromptTemplate(.llama3) : nil,
            has("[INST]", "[/INST]") && !has("<<SYS>>") ? PromptTemplate(.mistral) : nil,
            has("### Instruction:", "### Response:") ? alpaca(jinja) : nil,
        ]
        let templates = found.compactMap { $0 }
        return templates.count == 1 ? templates[0] : nil
    }

    /// With the opening that is known by the name, or with none.
    private static func alpaca(_ jinja: String) -> PromptTemplate {
        let known = PromptTemplate(.alpaca)
        return known.defaultSystem.map(jinja.contains) ?? false ? known : PromptTemplate(.alpaca, defaultSystem: nil)
    }

    /// The text of `'<|im_start|>system\nTEXT<|im_end|>'` where it is written out.
    private static func defaultChatMLSystem(_ jinja: String) -> String? {
        let lines = jinja.components(separatedBy: "<|im_start|>system\\n").dropFirst()
        for rest in lines {
            let text = rest.components(separatedBy: "<|im_end|>")
            guard text.count > 1, !text[0].isEmpty, !text[0].contains(where: { "'\"{}\\".contains($0) }) else { continue }
            return text[0]
        }
        return nil
    }
}

extension String {
    /// The parts between occurrences of `separator`, which is ASCII.
    fileprivate func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
