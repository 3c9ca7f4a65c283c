import JSONText

/// A vocabulary in two files, as OpenAI published GPT-2's: encoder.json (or vocab.json), token -> id, and vocab.bpe (or
/// merges.txt), a merge per line, the most urgent first, after a line `#version: 0.2` that may be missing.
///
/// The files do not say how text is cut; the class or the model that other files name does.
enum MergesFile {
    static func vocabulary(_ json: [UInt8]) throws(Malformed) -> Vocabulary {
        var scanner = JSONScanner(json)
        let tokens: [(String, Int)]
        do {
            tokens = try scanner.readTokens()
            try scanner.expectEnd()
        } catch { throw Malformed(error) }
        return try Vocabulary(tokens)
    }

    static func merges(_ text: [UInt8], _ vocabulary: Vocabulary) throws(Malformed) -> MergeTable {
        var table = MergeTable()
        var rank = 0
        try forEachMerge(text) { left, right throws(Malformed) in
            try table.add(left, right, rank: rank, vocabulary)
            rank += 1
        }
        return table
    }

    /// The lines in their order.
    static func forEachMerge(
        _ text: [UInt8], _ body: (_ left: String, _ right: String) throws(Malformed) -> Void
    ) throws(Malformed) {
        guard let text = String(validating: text, as: UTF8.self) else { throw Malformed("is not UTF-8") }
        // By bytes: to Swift, a carriage return and a line feed are one character.
        for (index, line) in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            var line = Substring(line)
            if line.utf8.last == UInt8(ascii: "\r") { line = Substring(line.utf8.dropLast()) }
            if line.isEmpty || (index == 0 && line.hasPrefix("#version")) { continue }
            guard let (left, right) = MergeTable.pair(line) else {
                throw Malformed(
                    at: "line \(index + 1)", "is '\(JSONError.excerpt(String(line)))', which is not two tokens with a space between")
            }
            try body(left, right)
        }
    }

    /// How text is cut, and what belongs to it.
    struct Family {
        let rule: SplittingRule
        var normalizations: [Normalization] = []
        var ignoresMerges = false

        private static let gpt2Models: Set<String> = ["gpt2", "codegen", "gptj", "gpt_neo", "opt", "phi"]

        init(_ roles: TokenRoles) throws(Malformed) {
            switch (roles.tokenizerClass, roles.modelType) {
            case ("GPT2Tokenizer", _), ("CodeGenTokenizer", _), (nil, nil): rule = .gpt2
            case (nil, let model?) where Self.gpt2Models.contains(model): rule = .gpt2
            case ("GPTNeoXTokenizer", _), (nil, "gpt_neox"), (nil, "olmo"):
                rule = .gpt2
                normalizations = [.composition]
            case ("Qwen2Tokenizer", _), (nil, "qwen2"), (nil, "qwen3"):
                rule = .llama3(digitCount: 1)
                normalizations = [.composition]
            default:
                // Llama 3's class says nothing; its special tokens have names of their own.
                let names = Set(roles.addedTokens.map { String(decoding: $0.content, as: UTF8.self) })
                guard names.isSuperset(of: ["<|begin_of_text|>", "<|start_header_id|>"]) else {
                    let name = roles.tokenizerClass ?? roles.modelType ?? ""
                    throw Malformed("how '\(JSONError.excerpt(name))' cuts text is not known", hint: "a tokenizer.json says it")
                }
                rule = .llama3(digitCount: 3)
                ignoresMerges = true
            }
        }
    }

    static func parts(vocabulary: Vocabulary, merges: MergeTable, _ roles: TokenRoles) throws(Malformed) -> TokenizerParts {
        let family = try Family(roles)
        let fallback = CharacterFallback(byteIDs: [], unknown: nil, fusesUnknown: false)
        var added = AddedTokenList(vocabulary)
        let end = Array("<|endoftext|>".utf8)
        if roles.addedTokens.isEmpty, let id = vocabulary.id(of: end) { try added.add(AddedToken(content: end, id: id)) }
        try added.add(roles)
        var parts = TokenizerParts(
            vocabulary: added.vocabulary, merges: merges, alphabet: vocabulary.byteAlphabet(fallback), addedTokens: added.tokens,
            decoding: .byteAlphabet)
        parts.warnings = vocabulary.warnings + added.warnings
        if roles.addsPrefixSpace ?? false { parts.prefix = .always([UInt8(ascii: " ")]) }
        parts.splitting = [family.rule]
        parts.normalizations = family.normalizations
        parts.wholeWords = try family.ignoresMerges ? vocabulary.decoded() : nil
        try parts.frame(roles, addsBeginning: roles.addsBeginning ?? false)
        return parts
    }
}

extension JSONScanner {
    /// An object of tokens and their ids, in its order.
    mutating func readTokens() throws(JSONError) -> [(spelling: String, id: Int)] {
        var tokens: [(String, Int)] = []
        try readObject { (scanner, key, _) throws(JSONError) in tokens.append((key, try scanner.readInteger())) }
        return tokens
    }
}

extension Vocabulary {
    init(_ tokens: [(spelling: String, id: Int)]) throws(Malformed) {
        self.init()
        for (spelling, id) in tokens { try list(Array(spelling.utf8), id: id) }
    }
}

extension TokenizerParts {
    /// BOS and EOS around a text, for files that know no template.
    mutating func frame(_ roles: TokenRoles, addsBeginning: Bool) throws(Malformed) {
        func ids(_ content: String?, _ role: String) throws(Malformed) -> [TokenID] {
            guard let content, let id = vocabulary.id(of: content) else {
                throw Malformed(at: role, "is to be added to every text, but the vocabulary does not have it")
            }
            return [id]
        }
        if addsBeginning { before = try ids(roles.beginning, "bos_token") }
        if roles.addsEnd ?? false { after = try ids(roles.end, "eos_token") }
    }
}
