/// A file that a tokenizer is read from: its name without folder, and what is in it.
package struct TokenizerFile: Sendable {
    package let name: String
    package let bytes: [UInt8]

    package init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }

    /// The names that are looked at; others may be passed along and are ignored.
    package static let names: Set<String> = [
        "tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "encoder.json", "vocab.bpe", "added_tokens.json",
        "tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "config.json", "chat_template.jinja",
        "chat_template.json",
    ]

    /// Where templates other than the usual one lie, as `NAME.jinja`.
    package static let templateFolder = "additional_chat_templates"

    /// The name of the chat template that a file is; nil for other files.
    static func templateName(of file: String) -> String? {
        if file == "chat_template.jinja" { return "default" }
        guard file.hasPrefix(templateFolder + "/"), file.hasSuffix(".jinja") else { return nil }
        return String(file.dropFirst(templateFolder.count + 1).dropLast(".jinja".count))
    }
}
