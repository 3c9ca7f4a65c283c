import ByteIO
package import CommandLineKit
import JSONText
package import Prompts
package import Tokenization

extension PromptOptions {
    /// The template that conversations are written in: for every tool the one that is asked for, or the model's own.
    ///
    /// - Parameters:
    ///   - path: of the model, for messages.
    ///   - otherwise: used where the model has none.
    package func template(
        for tokenizer: Tokenizer, path: String, otherwise: BuiltinTemplate, _ console: Console
    ) throws -> ChatTemplate {
        var template = try chosen(tokenizer, path: path, otherwise: otherwise)
        template.options = variables
        template.clock = clock
        template.readsSpecialTokens = readsSpecialTokens ?? template.readsSpecialTokens
        let missing = template.missingTokens(in: tokenizer)
        if !missing.isEmpty {
            console.warning(
                "\(path): the tokenizer has no \(missing.joined(separator: ", ")), which the template \(template.name) is made of and "
                    + "writes as text")
        }
        let known = template.variables
        if isThinkingOff {
            if let name = Self.thinkingSwitches.first(where: known.contains) {
                template.options[name] = .bool(false)
            } else {
                console.warning("the template \(template.name) has no switch for thinking, and --no-thinking changes nothing")
            }
        }
        if tools != nil, !known.contains("tools") {
            console.warning("the template \(template.name) has no place for tools, and the model is told of none")
        }
        if documents != nil, !known.contains("documents") {
            console.warning("the template \(template.name) has no place for documents, and the model is told of none")
        }
        for option in variables.members where !known.contains(option.key) {
            console.warning(
                "the template \(template.name) asks for no '\(option.key)'", hint: "it asks for \(known.joined(separator: ", "))")
        }
        return template
    }

    /// What templates call it: Qwen, SmolLM and others; Granite, DeepSeek and others.
    private static let thinkingSwitches = ["enable_thinking", "thinking"]

    private func chosen(_ tokenizer: Tokenizer, path: String, otherwise: BuiltinTemplate) throws -> ChatTemplate {
        let own = tokenizer.chatTemplates
        func model(_ name: String, _ text: String) throws -> ChatTemplate {
            do throws(PromptError) { return try ChatTemplate(.model(name), text: text, tokenizer) } catch {
                throw FileError(path, error.description, hint: "--template takes another: \(Option.templateNames)")
            }
        }
        if let asked = template {
            if asked.hasSuffix(".jinja") {
                let bytes = try InputFile(path: asked).allBytes(limit: Self.byteCountLimit)
                guard let text = String(validating: bytes, as: UTF8.self) else { throw FileError(asked, "is not UTF-8") }
                return try ChatTemplate(.file(asked), text: text, tokenizer)
            }
            if let text = own[asked] { return try model(asked, text) }
            if let builtin = BuiltinTemplate(rawValue: asked) { return try ChatTemplate(builtin, tokenizer) }
            let names = own.isEmpty ? "" : "; those of the model: \(own.keys.sorted().joined(separator: ", "))"
            throw UsageError("--template '\(asked)' is unknown", hint: "known are \(Option.templateNames)\(names)")
        }
        if tools != nil, let text = own["tool_use"] { return try model("tool_use", text) }
        if let text = own["default"] { return try model("default", text) }
        guard own.isEmpty else {
            throw FileError(
                path, "has several chat templates, and none is the default",
                hint: "--template takes one of \(own.keys.sorted().joined(separator: ", "))")
        }
        return try ChatTemplate(otherwise, tokenizer)
    }

    private static let byteCountLimit = 1 << 20
}
