import ByteIO

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
        "tokenizer.json", "tekken.json", "tokenizer.model", "vocab.json", "merges.txt", "encoder.json", "vocab.bpe", "added_tokens.json",
        "tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "config.json", "chat_template.jinja",
        "chat_template.json",
    ]

    /// Whether a file of this name in the folder of a model is looked at.
    package static func isRead(_ name: String) -> Bool { names.contains(name) || templateName(of: name) != nil }

    /// The name of the chat template that a file is; nil for other files.
    static func templateName(of file: String) -> String? {
        file == "chat_template.jinja" ? "default" : TemplateFolder.templateName(of: file)
    }
}
