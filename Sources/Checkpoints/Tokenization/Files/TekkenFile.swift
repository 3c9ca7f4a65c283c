import JSONText

/// Mistral's own tekken.json: a vocabulary in the order in which its tokens merge.
///
///     { "config": { "pattern", "default_vocab_size", "default_num_special_tokens", "version" },
///       "vocab": [ {"rank": 0, "token_bytes": "AA==", "token_str": text or null} ],
///       "special_tokens": [ {"rank": 0, "token_str": "<unk>", "is_control": true} ] }
///
/// Special tokens have the ids from 0 on; names that are not listed are `<SPECIAL_20>`. The id of any other token is its rank and
/// the number of special ones; those that the size of the vocabulary leaves no room for do not exist. Two neighbours merge where
/// their bytes together are a token, the one of lowest rank first, and a word that is a token is that token.
struct TekkenFile {
    private var pattern = ""
    private var version = ""
    private var vocabularySize: Int?
    private var specialTokenCount: Int?
    private var tokens: [[UInt8]] = []
    private var specialTokens: [AddedToken]?

    /// Real files have 1,000.
    private static let specialTokenLimit = 1 << 16

    init(_ bytes: [UInt8]) throws(Malformed) {
        var scanner = JSONScanner(bytes)
        do {
            var seen: Set<String> = []
            try scanner.readObject { (scanner, key, offset) throws(JSONError) in
                guard seen.insert(key).inserted else {
                    throw JSONError(offset: offset, "key '\(JSONError.excerpt(key))' stands here for the second time")
                }
                switch (key, try scanner.peekKind()) {
                case ("config", .object): try readConfiguration(JSONValue(from: &scanner), offset)
                case ("vocab", .array):
                    try scanner.readArray { (scanner) throws(JSONError) in tokens.append(try Self.token(&scanner, rank: tokens.count)) }
                case ("special_tokens", .array):
                    var list: [AddedToken] = []
                    try scanner.readArray { (scanner) throws(JSONError) in
                        list.append(try Self.specialToken(&scanner, rank: list.count))
                    }
                    specialTokens = list
                case ("config", _), ("vocab", _): throw JSONError(offset: offset, "'\(key)' is of another kind than in tekken.json")
                default: try scanner.skipValue()
                }
            }
            try scanner.expectEnd()
        } catch { throw Malformed(error) }
    }

    // MARK: - Reading

    private mutating func readConfiguration(_ value: JSONValue, _ offset: Int) throws(JSONError) {
        guard let pattern = value["pattern"]?.string else { throw JSONError(offset: offset, "'config' has no text 'pattern'") }
        self.pattern = pattern
        version = value["version"]?.string ?? ""
        vocabularySize = value["default_vocab_size"]?.integer
        specialTokenCount = value["default_num_special_tokens"]?.integer
    }

    private static func token(_ scanner: inout JSONScanner, rank: Int) throws(JSONError) -> [UInt8] {
        _ = try scanner.peekKind()
        let offset = scanner.offset
        let value = try JSONValue(from: &scanner)
        guard rank < Vocabulary.idLimit else { throw JSONError(offset: offset, "there are more than \(Vocabulary.idLimit) tokens") }
        guard let stated = value["rank"]?.integer, let text = value["token_bytes"]?.string else {
            throw JSONError(offset: offset, "token \(rank) has no whole number 'rank' or no text 'token_bytes'")
        }
        guard stated == rank else { throw JSONError(offset: offset, "token \(rank) has the rank \(stated): ranks are counted from 0") }
        guard let bytes = Base64.bytes(of: text.utf8), !bytes.isEmpty else {
            throw JSONError(
                offset: offset, "token \(rank): 'token_bytes' is '\(JSONError.excerpt(text))', which is no base64 of a byte or more")
        }
        guard rank > UInt8.max || bytes == [UInt8(rank)] else {
            throw JSONError(offset: offset, "token \(rank) is not the byte \(rank): the first 256 are the single bytes")
        }
        return bytes
    }

    private static func specialToken(_ scanner: inout JSONScanner, rank: Int) throws(JSONError) -> AddedToken {
        _ = try scanner.peekKind()
        let offset = scanner.offset
        let value = try JSONValue(from: &scanner)
        guard rank < specialTokenLimit else { throw JSONError(offset: offset, "there are more than \(specialTokenLimit) special tokens") }
        guard let stated = value["rank"]?.integer, let text = value["token_str"]?.string, !text.isEmpty else {
            throw JSONError(offset: offset, "special token \(rank) has no whole number 'rank' or no text 'token_str'")
        }
        guard stated == rank else {
            throw JSONError(offset: offset, "special token \(rank) has the rank \(stated): ranks are counted from 0")
        }
        guard text.utf8.count <= AddedToken.byteCountLimit else {
            throw JSONError(
                offset: offset, "special token \(rank) has \(text.utf8.count) bytes, but at most \(AddedToken.byteCountLimit) are read")
        }
        return AddedToken(content: Array(text.utf8), id: TokenID(rank), isSpecial: value["is_control"]?.bool ?? true)
    }

    // MARK: - Meaning

    private static let (beginning, end) = ("<s>", "</s>")

    /// Of files up to version 7, which do not list them.
    private static let earlySpecialTokens = [
        "<unk>", beginning, end, "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]",
        "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]",
        "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
    ]

    /// What the files beside it say; where they do not, Mistral's BOS and EOS.
    func completed(_ roles: TokenRoles) -> TokenRoles { roles.completed(beginning: Self.beginning, end: Self.end) }

    func parts(_ roles: TokenRoles) throws(Malformed) -> TokenizerParts {
        let special = try allSpecialTokens()
        let count = try ordinaryTokenCount(besides: special.count)
        // By their bytes, and as the byte alphabet spells them, where a special token may not look like one.
        var (words, vocabulary) = (Vocabulary(), Vocabulary())
        for token in special { try vocabulary.add(token.content, id: Int(token.id)) }
        for (rank, bytes) in tokens.prefix(count).enumerated() {
            try vocabulary.add(ByteAlphabet.spelling(of: bytes.span, from: 0, to: bytes.count), id: special.count + rank)
            try words.add(bytes, id: special.count + rank)
        }
        var added = AddedTokenList(vocabulary)
        for token in special { try added.add(token) }
        try added.add(roles)
        let fallback = CharacterFallback(byteIDs: [], unknown: nil, fusesUnknown: false)
        var parts = TokenizerParts(
            vocabulary: added.vocabulary, merges: try mergeTable(words, count: count, firstID: special.count),
            alphabet: vocabulary.byteAlphabet(fallback), addedTokens: added.tokens, decoding: .byteAlphabet)
        parts.warnings = added.warnings
        parts.wholeWords = words
        parts.splitting = [try splitting()]
        try parts.frame(roles, addsBeginning: roles.addsBeginning ?? (vocabulary.id(of: Self.beginning) != nil))
        return parts
    }

    /// What a tokenizer.json lists as merges.
    func merges() throws(Malformed) -> [(left: String, right: String)] {
        let specialCount = try allSpecialTokens().count, count = try ordinaryTokenCount(besides: specialCount)
        var words = Vocabulary()
        for (rank, bytes) in tokens.prefix(count).enumerated() { try words.add(bytes, id: specialCount + rank) }
        return try RankedTokens.merges(of: tokens.prefix(count), in: words)
    }

    private func allSpecialTokens() throws(Malformed) -> [AddedToken] {
        guard let count = specialTokenCount, (0...Self.specialTokenLimit).contains(count) else {
            throw Malformed(
                at: "config",
                "'default_num_special_tokens' is \(specialTokenCount.map(String.init) ?? "no whole number"), "
                    + "but 0 to \(Self.specialTokenLimit) are read")
        }
        var special = specialTokens ?? []
        if specialTokens == nil {
            guard ["v1", "v2", "v3", "v7"].contains(version) else {
                throw Malformed("has no 'special_tokens', which files of version '\(JSONError.excerpt(version))' list")
            }
            special = Self.earlySpecialTokens.enumerated().map { AddedToken(content: Array($1.utf8), id: TokenID($0)) }
        }
        guard special.count <= count else {
            throw Malformed(
                at: "special_tokens", "has \(special.count) tokens, but 'default_num_special_tokens' is \(count)")
        }
        special += (special.count..<count).map { AddedToken(content: Array("<SPECIAL_\($0)>".utf8), id: TokenID($0)) }
        return special
    }

    /// How many of the listed tokens there are, by the size of the vocabulary.
    private func ordinaryTokenCount(besides specialCount: Int) throws(Malformed) -> Int {
        guard let size = vocabularySize, size >= specialCount + 256 else {
            throw Malformed(
                at: "config",
                "'default_vocab_size' is \(vocabularySize.map(String.init) ?? "no whole number"), but \(specialCount) special "
                    + "tokens and 256 bytes are at least \(specialCount + 256)")
        }
        guard size - specialCount <= tokens.count else {
            throw Malformed(
                at: "vocab",
                "has \(tokens.count) tokens, but 'default_vocab_size' \(size) without \(specialCount) special tokens "
                    + "is \(size - specialCount)")
        }
        return size - specialCount
    }

    /// Every way to make a token of two others.
    private func mergeTable(_ words: Vocabulary, count: Int, firstID: Int) throws(Malformed) -> MergeTable {
        var table = MergeTable()
        try RankedTokens.forEachCut(of: tokens.prefix(count), in: words) { rank, left, right in
            table.add(left, right, rank: Int32(rank), result: TokenID(firstID + rank))
        }
        return table
    }

    // MARK: - Cutting

    private static let patterns: Set<String> = [SplittingExpressions.tekken, SplittingExpressions.o200k]

    /// Only of expressions that are known: others may mean something else to Mistral's library than to ours.
    private func splitting() throws(Malformed) -> SplittingRule {
        if let known = SplittingRule.bySpelling[pattern] { return known }
        guard Self.patterns.contains(pattern) else {
            throw Malformed(
                at: "config", "how the pattern '\(JSONError.excerpt(pattern))' cuts text is not known", hint: "a tokenizer.json says it")
        }
        do {
            let automaton = try ExpressionAutomaton(ExpressionParser.parse(pattern), source: pattern)
            return .expression(ExpressionSplit(automaton: automaton, behavior: .isolated))
        } catch { throw Malformed(at: "config", "'pattern' has \(error.what), which is not read") }
    }
}
