import GGUFFormat
import Tokenization

/// The keys by which a GGUF file states its tokenizer, in the order and with the types that convert_hf_to_gguf writes.
struct GGUFTokenizerKeys {
    let entries: [GGUFMetadata.Entry]
    let remarks: [String]

    private static let prefix = "tokenizer.ggml."
    private static let templateKey = "tokenizer.chat_template"
    /// Keys of roles: those that there are.
    private static let roles = [
        "bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "sep_token": "seperator", "pad_token": "padding",
        "mask_token": "mask",
    ]
    /// - Parameters:
    ///   - architecture: `general.architecture`; some keys are written for Llama only.
    ///   - end: the token that ends a text, where the tokenizer's files name none.
    init(_ stored: StoredTokenizer, architecture: String, end: Int?) {
        var entries: [GGUFMetadata.Entry] = []
        func add(_ name: String, _ value: GGUFValue) { entries.append(.init(Self.prefix + name, value)) }
        // Converters write it where config.json says it, and at the end where readers would think otherwise.
        let leads = stored.statesSpacePrefix && architecture == "llama"
        if leads, let flag = stored.addsSpacePrefix { add("add_space_prefix", .bool(flag)) }
        add("model", .string(stored.model))
        if let splitting = stored.splitting { add("pre", .string(splitting)) }
        add("tokens", .array(GGUFArray(stored.tokens)))
        if !stored.scores.isEmpty { add("scores", .array(GGUFArray(stored.scores))) }
        add("token_type", .array(GGUFArray(stored.types.map { Int32($0) })))
        if !stored.merges.isEmpty { add("merges", .array(GGUFArray(stored.merges))) }
        var ids = stored.roles
        if let end, ids["eos_token"] == nil, stored.tokens.indices.contains(end) { ids["eos_token"] = end }
        for role in stored.roleOrder {
            guard let id = ids[role], let key = Self.roles[role] else { continue }
            add("\(key)_token_id", .u32(UInt32(id)))
        }
        let ends = stored.otherEnds.filter { $0 != ids["eos_token"] && !StoredTokenizer.knownEnds.contains(stored.tokens[$0]) }
        for (key, id) in zip(["eot", "eom"], ends) { add("\(key)_token_id", .u32(UInt32(id))) }
        remarks = ends.dropFirst(2).map { "generation also stops at '\(stored.tokens[$0])', for which there is no key" }
        for flag in stored.flagOrder {
            let value = ["bos": stored.addsBeginning, "eos": stored.addsEnd, "sep": stored.addsSeparator][flag] ?? nil
            if let value { add("add_\(flag)_token", .bool(value)) }
        }
        entries += Self.templates(stored.chatTemplates)
        if !leads, stored.model == "llama", stored.addsSpacePrefix == false { add("add_space_prefix", .bool(false)) }
        self.entries = entries
    }

    /// Names in keys are letters, digits and `_`.
    private static func templates(_ templates: [String: String]) -> [GGUFMetadata.Entry] {
        var entries: [GGUFMetadata.Entry] = []
        var names: [String] = []
        for (name, text) in templates.sorted(by: { $0.key < $1.key }) where name != "default" {
            let plain = String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
            guard !plain.isEmpty, !names.contains(plain) else { continue }
            names.append(plain)
            entries.append(.init("\(templateKey).\(plain)", .string(text)))
        }
        if !names.isEmpty { entries.append(.init("tokenizer.chat_templates", .array(GGUFArray(names)))) }
        if let only = templates["default"] { entries.append(.init(templateKey, .string(only))) }
        return entries
    }
}
