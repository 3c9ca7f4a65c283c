import ByteIO
import JSONText
import TestSupport
import Tokenization

/// Metadata of tokenizers as GGUF files have it.
enum StoredTokenizers {
    static func json(_ path: String) throws -> JSONValue { try JSONValue(parsing: InputFile(path: path).allBytes(limit: 1 << 26)) }

    /// What a file states, by the names of its keys.
    static func stored(_ metadata: JSONValue) -> StoredTokenizer {
        func value(_ key: String) -> JSONValue? { metadata["tokenizer.ggml.\(key)"] }
        var stored = StoredTokenizer(
            model: value("model")?.string ?? "", splitting: value("pre")?.string,
            tokens: (value("tokens")?.array ?? []).map { $0.string ?? "" },
            types: (value("token_type")?.array ?? []).map { $0.integer ?? -1 })
        stored.scores = (value("scores")?.array ?? []).map { Float($0.double ?? .nan) }
        stored.merges = (value("merges")?.array ?? []).map { $0.string ?? "" }
        let roles = [("bos", "bos_token"), ("eos", "eos_token"), ("unknown", "unk_token"), ("padding", "pad_token")]
        for (key, role) in roles { stored.roles[role] = value("\(key)_token_id")?.integer }
        stored.addsBeginning = value("add_bos_token")?.bool
        stored.addsEnd = value("add_eos_token")?.bool
        stored.addsSpacePrefix = value("add_space_prefix")?.bool
        stored.chatTemplates["default"] = metadata["tokenizer.chat_template"]?.string
        return stored
    }

    /// The byte-level tokenizer of a tokenizer.json under a name for how it cuts text.
    static func stored(_ tokenizer: JSONValue, splitting: String) -> StoredTokenizer {
        var spellings: [Int: String] = [:]
        for member in tokenizer["model"]?["vocab"]?.object?.members ?? [] { spellings[member.value.integer ?? -1] = member.key }
        var added: [Int: Bool] = [:]
        for token in tokenizer["added_tokens"]?.array ?? [] {
            let id = token["id"]?.integer ?? -1
            spellings[id] = token["content"]?.string
            added[id] = token["special"]?.bool
        }
        let count = (spellings.keys.max() ?? -1) + 1
        var stored = StoredTokenizer(
            model: "gpt2", splitting: splitting, tokens: (0..<count).map { spellings[$0] ?? "[PAD\($0)]" },
            types: (0..<count).map { id in spellings[id] == nil ? 5 : added[id].map { $0 ? 3 : 4 } ?? 1 })
        stored.merges = (tokenizer["model"]?["merges"]?.array ?? []).map { merge in
            merge.string ?? (merge.array ?? []).map { $0.string ?? "" }.joined(separator: " ")
        }
        stored.addsBeginning = false
        return stored
    }
}
