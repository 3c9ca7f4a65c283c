import JSONText

/// What the files beside a vocabulary say of its tokens: tokenizer_config.json, special_tokens_map.json,
/// generation_config.json, config.json and the chat template.
struct TokenRoles: Sendable {
    private(set) var beginning: String?
    private(set) var end: String?
    private(set) var padding: String?
    private(set) var unknown: String?
    /// From `eos_token_id`: one or several.
    private(set) var stopIDs: [Int] = []
    /// By name; `default` has none of its own.
    private(set) var chatTemplates: [String: String] = [:]
    /// The texts of all roles that are stated, by the names of their members.
    private(set) var texts: [String: String] = [:]
    /// `bos_token_id` and others of config.json, by the names that `texts` has for the tokens; of several the first.
    private(set) var statedIDs: [String: Int] = [:]
    /// `tokenizer_class`, without a final `Fast`.
    private(set) var tokenizerClass: String?
    private(set) var addsBeginning: Bool?
    private(set) var addsEnd: Bool?
    private(set) var addsSeparator: Bool?
    /// `add_prefix_space`
    private(set) var addsPrefixSpace: Bool?
    /// Whether text after a special token gets a space in front, as it did in the first Llama tokenizers.
    private(set) var isLegacy: Bool?
    /// `model_type` of config.json.
    private(set) var modelType: String?
    /// `added_tokens_decoder` of tokenizer_config.json, or added_tokens.json.
    private(set) var addedTokens: [AddedToken] = []
    /// Tokens with a role or listed as special, which the tokenizer finds in text whether or not its own file lists them. Their ids
    /// are not stated.
    private(set) var namedTokens: [AddedToken] = []

    /// The files that are parsed.
    static let fileNames = [
        "tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "config.json", "chat_template.json",
        "added_tokens.json",
    ]

    /// - Parameters:
    ///   - files: those of `fileNames` that are there.
    ///   - templates: chat_template.jinja as `default`, and additional ones by their names; what the other files say of templates
    ///     is not looked at where there is one.
    init(_ files: [String: JSONValue], templates: [String: String]) throws(Malformed) {
        let config = files["tokenizer_config.json"]
        let map = files["special_tokens_map.json"]
        func role(_ key: String) -> String? { Self.content(config?[key]) ?? Self.content(map?[key]) }
        for key in Self.roleNames { texts[key] = role(key) }
        beginning = texts["bos_token"]
        end = texts["eos_token"]
        padding = texts["pad_token"]
        unknown = texts["unk_token"]
        let model = files["config.json"]
        for value in [files["generation_config.json"]?["eos_token_id"], model?["eos_token_id"]] {
            stopIDs += value?.integer.map { [$0] } ?? value?.array?.compactMap(\.integer) ?? []
        }
        modelType = model?["model_type"]?.string
        for key in Self.roleNames { statedIDs[key] = model?["\(key)_id"].flatMap { $0.integer ?? $0.array?.first?.integer } }
        tokenizerClass = config?["tokenizer_class"]?.string.map { $0.hasSuffix("Fast") ? String($0.dropLast(4)) : $0 }
        addsBeginning = config?["add_bos_token"]?.bool
        addsEnd = config?["add_eos_token"]?.bool
        addsSeparator = config?["add_sep_token"]?.bool
        addsPrefixSpace = config?["add_prefix_space"]?.bool
        isLegacy = config?["legacy"]?.bool
        chatTemplates = templates
        if templates.isEmpty {
            chatTemplates = Self.templates(files["chat_template.json"]?["chat_template"] ?? config?["chat_template"])
        }
        if let decoder = config?["added_tokens_decoder"]?.object {
            addedTokens = try Self.addedTokens(decoder: decoder)
        } else if let ids = files["added_tokens.json"]?.object {
            addedTokens = try Self.addedTokens(ids: ids)
        }
        namedTokens = try Self.namedTokens(config)
    }

    /// In the order in which transformers adds them.
    static let roleNames = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]

    private static func namedTokens(_ config: JSONValue?) throws(Malformed) -> [AddedToken] {
        var values = roleNames.compactMap { config?[$0] }
        for key in ["extra_special_tokens", "additional_special_tokens"] { values += config?[key]?.array ?? [] }
        var tokens: [AddedToken] = []
        for value in values {
            guard let content = content(value), !content.isEmpty else { continue }
            var token = try AddedToken(value.string == nil ? value : .object(["content": value]), id: 0)
            token.isSpecial = true
            tokens.append(token)
        }
        return tokens
    }

    /// The same, with a beginning and an end where none is stated.
    func completed(beginning: String?, end: String?) -> TokenRoles {
        var roles = self
        roles.beginning = roles.beginning ?? beginning
        roles.end = roles.end ?? end
        return roles
    }

    /// The ids of the roles, and what is odd about them.
    func resolved(in vocabulary: Vocabulary) -> (tokens: SpecialTokens, warnings: [String]) {
        var (tokens, warnings) = (SpecialTokens(), [String]())
        func find(_ content: String?, _ role: String) -> TokenID? {
            guard let content else { return nil }
            if let id = vocabulary.id(of: content) { return id }
            warnings.append("\(role) is '\(JSONError.excerpt(content))', which the vocabulary does not have")
            return nil
        }
        tokens.beginning = find(beginning, "bos_token")
        tokens.end = find(end, "eos_token")
        tokens.padding = find(padding, "pad_token")
        tokens.unknown = find(unknown, "unk_token")
        let inside = stopIDs.filter { (0..<Vocabulary.idLimit).contains($0) }.map { TokenID($0) }
        // OpenAI's GPT-2 on Hugging Face names its end only by its id.
        if end == nil, let only = inside.first, Set(inside).count == 1, vocabulary.spelling(of: only) != nil { tokens.end = only }
        tokens.stops = Set(inside + [tokens.end].compactMap { $0 }).sorted()
        return (tokens, warnings)
    }

    /// A token's text, plain or in an object.
    private static func content(_ value: JSONValue?) -> String? { value?.string ?? value?["content"]?.string }

    /// One template, or several with names.
    private static func templates(_ value: JSONValue?) -> [String: String] {
        if let text = value?.string { return ["default": text] }
        var templates: [String: String] = [:]
        for entry in value?.array ?? [] {
            if let name = entry["name"]?.string, let text = entry["template"]?.string { templates[name] = text }
        }
        return templates
    }

    /// `added_tokens_decoder`: id -> token.
    private static func addedTokens(decoder: JSONObject) throws(Malformed) -> [AddedToken] {
        var tokens: [AddedToken] = []
        for member in decoder.members {
            guard let id = Int(member.key) else {
                throw Malformed(at: "added_tokens_decoder", "has the key '\(JSONError.excerpt(member.key))', which is no id")
            }
            tokens.append(try AddedToken(member.value, id: id))
        }
        return tokens.sorted { $0.id < $1.id }
    }

    /// added_tokens.json: token -> id.
    private static func addedTokens(ids: JSONObject) throws(Malformed) -> [AddedToken] {
        var tokens: [AddedToken] = []
        for member in ids.members {
            guard let id = member.value.integer else {
                throw Malformed(at: "token '\(JSONError.excerpt(member.key))'", "has no whole number as id")
            }
            tokens.append(try AddedToken(.object(["content": .string(member.key), "special": .bool(true)]), id: id))
        }
        return tokens.sorted { $0.id < $1.id }
    }
}

extension AddedToken {
    /// As tokenizer.json and tokenizer_config.json write it: `content`, and flags that are false where they are missing.
    init(_ value: JSONValue, id: Int) throws(Malformed) {
        guard let content = value["content"]?.string else { throw Malformed(at: "added token \(id)", "has no text 'content'") }
        let shown = "added token '\(JSONError.excerpt(content))'"
        guard content.utf8.count <= Self.byteCountLimit else {
            throw Malformed(at: shown, "has \(content.utf8.count) bytes, but at most \(Self.byteCountLimit) are read")
        }
        guard (0..<Vocabulary.idLimit).contains(id) else {
            throw Malformed(at: shown, "has the id \(id), which is not between 0 and \(Vocabulary.idLimit - 1)")
        }
        func flag(_ key: String) throws(Malformed) -> Bool {
            guard let value = value[key] else { return false }
            guard let flag = value.bool else { throw Malformed(at: shown, "'\(key)' is neither true nor false") }
            return flag
        }
        self.init(
            content: Array(content.utf8), id: TokenID(id), isSpecial: try flag("special"), stripsLeft: try flag("lstrip"),
            stripsRight: try flag("rstrip"), isSingleWord: try flag("single_word"), isNormalized: try flag("normalized"))
    }
}
