import ByteIO
import GGUFFormat
import JSONText
import Tokenization

/// The files that a Hugging Face folder of a GGUF file's model has beside the weights: configuration, tokenizer, chat templates.
struct GGUFCompanions {
    let files: [CompanionFile]
    let warnings: [String]

    private static let prefix = "tokenizer.ggml."
    private static let templateKey = "tokenizer.chat_template"
    /// Names of tokens in tokenizer_config.json, and in the keys that state their ids.
    private static let roles = [
        ("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding"), ("sep_token", "seperator"),
        ("mask_token", "mask"),
    ]

    init(_ metadata: GGUFMetadata, config: JSONObject) throws(FileError) {
        let text = JSONValue.object(config).text(.indented) + "\n"
        var files = [CompanionFile(name: "config.json", content: .bytes(Array(text.utf8)))]
        var warnings: [String] = []
        // A tokenizer that is not understood is no reason not to convert the weights; one that contradicts itself is told when it is needed.
        do throws(FileError) {
            if let model = try metadata.string(Self.prefix + "model"), model != "none" {
                let splitting = try metadata.string(Self.prefix + "pre")
                try StoredTokenizer.requireKnown(model: model, splitting: splitting, path: metadata.path)
                warnings += StoredTokenizer(model: model, splitting: splitting, tokens: [], types: []).warnings
                guard metadata[Self.prefix + "token_type"] != nil else {
                    throw FileError(
                        metadata.path, at: "key '\(Self.prefix)token_type'",
                        "is missing: nobody knows which tokens control the model")
                }
                let made = Made { () throws(FileError) in
                    try Self.tokenizer(metadata, model: model, splitting: splitting).files(path: metadata.path)
                }
                for (number, name) in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"].enumerated() {
                    let bytes = Made { () throws(FileError) in try made.value()[number].bytes }
                    files.append(CompanionFile(name: name, content: .made(bytes)))
                }
            } else {
                warnings.append("the file has no tokenizer")
            }
        } catch { warnings.append("the model is read without its tokenizer: \(error.description)") }
        self.files = files.sorted { $0.name < $1.name }
        self.warnings = warnings
    }

    private static func tokenizer(_ metadata: GGUFMetadata, model: String, splitting: String?) throws(FileError) -> StoredTokenizer {
        guard let tokens = try metadata.array(prefix + "tokens", of: .string) else {
            throw FileError(metadata.path, at: "key '\(prefix)tokens'", "is missing")
        }
        var stored = StoredTokenizer(
            model: model, splitting: splitting, tokens: try tokens.strings(),
            types: try metadata.array(prefix + "token_type", of: .i32)?.integers() ?? [])
        stored.scores = try metadata.array(prefix + "scores", of: .f32)?.floats() ?? []
        stored.merges = try metadata.array(prefix + "merges", of: .string)?.strings() ?? []
        for (role, key) in roles { stored.roles[role] = try metadata.integer("\(prefix)\(key)_token_id") }
        for key in ["eot", "eom"] {
            if let end = try metadata.integer("\(prefix)\(key)_token_id") { stored.otherEnds.append(end) }
        }
        // No key names them, as other programs know them by their texts.
        for (id, token) in stored.tokens.enumerated() where StoredTokenizer.knownEnds.contains(token) {
            if stored.types.indices.contains(id), [3, 4].contains(stored.types[id]), !stored.otherEnds.contains(id) {
                stored.otherEnds.append(id)
            }
        }
        stored.addsBeginning = try metadata.bool(prefix + "add_bos_token")
        stored.addsEnd = try metadata.bool(prefix + "add_eos_token")
        stored.addsSpacePrefix = try metadata.bool(prefix + "add_space_prefix")
        stored.chatTemplates["default"] = try metadata.string(templateKey)
        for entry in metadata.entries where entry.key.hasPrefix(templateKey + ".") {
            stored.chatTemplates[String(entry.key.dropFirst(templateKey.utf8.count + 1))] = try metadata.string(entry.key)
        }
        return stored
    }
}
