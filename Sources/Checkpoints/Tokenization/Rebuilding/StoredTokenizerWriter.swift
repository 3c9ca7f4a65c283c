import JSONText

/// Writes what a `StoredTokenizer` states as the files of a Hugging Face model. Everything is checked when it is made.
struct StoredTokenizerWriter {
    enum TokenType: Int {
        case normal = 1
        case unknown = 2
        case control = 3
        case user = 4
        case unused = 5
        case byte = 6
    }

    let stored: StoredTokenizer
    let types: [TokenType]
    /// Of `gpt2`; nil of `llama`.
    let splitting: StoredSplitting?
    private let ids: [ByteKey: Int]

    var isSentencePiece: Bool { splitting == nil }

    init(_ stored: StoredTokenizer) throws(Malformed) {
        self.stored = stored
        splitting = try Self.splitting(stored)
        guard !stored.tokens.isEmpty, stored.tokens.count <= Vocabulary.idLimit else {
            throw Malformed(at: Key.tokens, "has \(stored.tokens.count) tokens, but 1 to \(Vocabulary.idLimit) are read")
        }
        guard stored.types.count == stored.tokens.count else {
            throw Malformed(
                at: Key.types, "has \(stored.types.count) types for \(stored.tokens.count) tokens",
                hint: stored.types.isEmpty ? "without them nobody knows which tokens control the model" : nil)
        }
        var types: [TokenType] = []
        for (id, value) in stored.types.enumerated() {
            guard let type = TokenType(rawValue: value) else {
                throw Malformed(at: "\(Key.types)[\(id)]", "is \(value), but 1 to 6 are known")
            }
            types.append(type)
        }
        self.types = types
        var ids: [ByteKey: Int] = [:]
        for (id, token) in stored.tokens.enumerated() where !Self.isPadding(token, id, types[id]) {
            guard ids.updateValue(id, forKey: ByteKey(token)) == nil else {
                throw Malformed(at: "\(Key.tokens)[\(id)]", "'\(JSONError.excerpt(token))' stands there for the second time")
            }
            if types[id] != .normal, token.utf8.count > AddedToken.byteCountLimit {
                throw Malformed(
                    at: "\(Key.tokens)[\(id)]", "has \(token.utf8.count) bytes, but at most \(AddedToken.byteCountLimit) are read")
            }
        }
        self.ids = ids
        let named = stored.roles.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } + stored.otherEnds.map { ("an end token", $0) }
        for (role, id) in named where !stored.tokens.indices.contains(id) {
            throw Malformed(at: role, "has the id \(id), but there are \(stored.tokens.count) tokens")
        }
        let frame = [("bos_token", addsBeginning), ("eos_token", stored.addsEnd ?? false)].filter(\.1).map(\.0)
        for role in frame {
            guard let id = stored.roles[role], !isToken(id) else { continue }
            throw Malformed(
                at: role, "is token \(id) ('\(JSONError.excerpt(stored.tokens[id]))'), which is unused, but belongs around every text")
        }
        if isSentencePiece { try checkScores() } else { try checkMerges() }
    }

    /// Whether an id has a token in what is written.
    func isToken(_ id: Int) -> Bool {
        guard !stored.tokens[id].isEmpty, types[id] == .unused else { return !stored.tokens[id].isEmpty }
        return isSentencePiece && !Self.isPadding(stored.tokens[id], id, types[id])
    }

    private enum Key {
        static let tokens = "tokenizer.ggml.tokens"
        static let types = "tokenizer.ggml.token_type"
        static let scores = "tokenizer.ggml.scores"
        static let merges = "tokenizer.ggml.merges"
    }

    static func splitting(_ stored: StoredTokenizer) throws(Malformed) -> StoredSplitting? {
        switch stored.model {
        case "llama": return nil
        case "gpt2":
            let name = stored.splitting ?? "default"
            guard let known = StoredSplitting(named: name) else {
                throw Malformed(
                    at: "tokenizer.ggml.pre", "is '\(JSONError.excerpt(name))', and how that cuts text is not known",
                    hint: "a tokenizer.json of the same model says it")
            }
            return known
        default:
            throw Malformed(
                at: "tokenizer.ggml.model", "is '\(JSONError.excerpt(stored.model))', which is not read; gpt2 and llama are",
                hint: "a tokenizer.json of the same model may be read")
        }
    }

    /// Rows of the embedding that no token needs: `[PAD7]` of id 7.
    private static func isPadding(_ token: String, _ id: Int, _ type: TokenType) -> Bool { type == .unused && token == "[PAD\(id)]" }

    private func checkMerges() throws(Malformed) {
        guard !stored.merges.isEmpty else { throw Malformed(at: Key.merges, "is missing or empty: no two bytes would become one token") }
        for (rank, merge) in stored.merges.enumerated() {
            guard let (left, right) = MergeTable.pair(merge[...]) else {
                throw Malformed(
                    at: "\(Key.merges)[\(rank)]", "is '\(JSONError.excerpt(merge))', which is not two tokens with a space between")
            }
            for token in [left, right, left + right] where !(ids[ByteKey(token)].map(isOwn) ?? false) {
                throw Malformed(
                    at: "\(Key.merges)[\(rank)]",
                    "'\(JSONError.excerpt(merge))' needs the token '\(JSONError.excerpt(token))', which is not among the normal ones")
            }
        }
    }

    private func checkScores() throws(Malformed) {
        guard stored.scores.count == stored.tokens.count else {
            throw Malformed(at: Key.scores, "has \(stored.scores.count) scores for \(stored.tokens.count) tokens")
        }
        if let id = stored.scores.firstIndex(where: { !$0.isFinite }) {
            throw Malformed(at: "\(Key.scores)[\(id)]", "is \(stored.scores[id]), which is no score")
        }
        let merged = types.indices.filter { types[$0] == .normal && stored.tokens[$0].unicodeScalars.count > 1 }
        guard let first = merged.first, merged.count > 1 else { return }
        guard merged.contains(where: { stored.scores[$0] != stored.scores[first] }) else {
            throw Malformed(
                at: Key.scores, "are \(stored.scores[first]) for all \(merged.count) tokens: the order of merges is lost",
                hint: "the file was made without the SentencePiece model; a tokenizer.json of the same model has the order")
        }
    }

    /// Whether added tokens stand behind all others, without gaps: then they get their ids by being listed, as the tokenizers library
    /// counts them, and need not be in the vocabulary too. Some models have them first.
    private var addedTokensFollow: Bool {
        let tokens = types.indices.filter(isToken)
        let ownCount = tokens.prefix(while: isOwn).count
        return tokens == Array(0..<tokens.count) && !tokens[ownCount...].contains(where: isOwn)
    }

    /// Of the vocabulary itself, and not added to it.
    private func isOwn(_ id: Int) -> Bool { types[id] == .normal || types[id] == .byte }

    // MARK: - tokenizer.json

    func tokenizer() throws(Malformed) -> [UInt8] {
        var vocabulary = JSONObject()
        let hasAll = isSentencePiece || !addedTokensFollow
        for (id, token) in stored.tokens.enumerated() where hasAll ? isToken(id) : isOwn(id) { vocabulary[token] = .integer(id) }
        let model: JSONValue = .object([
            "type": .string("BPE"), "dropout": .null, "unk_token": isSentencePiece ? .string(unknown) : .null,
            "continuing_subword_prefix": .null, "end_of_word_suffix": .null, "fuse_unk": .bool(isSentencePiece),
            "byte_fallback": .bool(isSentencePiece), "ignore_merges": .bool(splitting?.ignoresMerges ?? false),
            "vocab": .object(vocabulary), "merges": .array(try mergePairs()),
        ])
        let document: JSONValue = .object([
            "version": .string("1.0"), "truncation": .null, "padding": .null, "added_tokens": .array(addedTokens()),
            "normalizer": splitting?.normalizer ?? spaceMarks, "pre_tokenizer": splitting.map { Self.sequence($0.steps) } ?? .null,
            "post_processor": frame(), "decoder": splitting == nil ? markDecoder : StoredSplitting.bytes(cuts: true), "model": model,
        ])
        return Array((document.text(.compact) + "\n").utf8)
    }

    private static func sequence(_ steps: [JSONValue]) -> JSONValue {
        steps.count == 1 ? steps[0] : .object(["type": .string("Sequence"), "pretokenizers": .array(steps)])
    }

    private func addedTokens() -> [JSONValue] {
        stored.tokens.enumerated().compactMap { id, token in
            let isSpecial = types[id] == .control || types[id] == .unknown
            guard isSpecial || types[id] == .user else { return nil }
            return .object([
                "id": .integer(id), "content": .string(token), "single_word": .bool(false), "lstrip": .bool(false), "rstrip": .bool(false),
                "normalized": .bool(false), "special": .bool(isSpecial),
            ])
        }
    }

    private func mergePairs() throws(Malformed) -> [JSONValue] {
        guard isSentencePiece else {
            return stored.merges.compactMap { MergeTable.pair($0[...]) }.map { .array([.string($0.0), .string($0.1)]) }
        }
        return try piecePairs()
    }

    /// Every way to make a piece of two, the best scores first; of equal ones that of the lower id, then that with the lower left part.
    private func piecePairs() throws(Malformed) -> [JSONValue] {
        var steps = 0
        var pairs: [(score: Float, id: Int, left: Int, right: Int)] = []
        for (id, token) in stored.tokens.enumerated() where types[id] == .normal {
            let bytes = Array(token.utf8)
            steps += bytes.count * bytes.count
            guard bytes.count <= 1 << 15, steps <= MergeTable.cuttingLimit else {
                throw Malformed(
                    at: "\(Key.tokens)[\(id)]",
                    "has \(bytes.count) bytes, and with those before it takes too long to be cut up: at most "
                        + "\(1 << 15) are read, and \(MergeTable.cuttingLimit) for the squares of all lengths together")
            }
            for middle in bytes.indices.dropFirst() where bytes[middle] & 0xc0 != 0x80 {
                func piece(_ range: Range<Int>) -> Int? {
                    ids[ByteKey(String(decoding: bytes[range], as: UTF8.self))].flatMap { types[$0] == .normal ? $0 : nil }
                }
                guard let left = piece(0..<middle), let right = piece(middle..<bytes.count) else { continue }
                pairs.append((stored.scores[id], id, left, right))
            }
        }
        pairs.sort { a, b in a.score != b.score ? a.score > b.score : a.id != b.id ? a.id < b.id : a.left < b.left }
        return pairs.map { .array([.string(stored.tokens[$0.left]), .string(stored.tokens[$0.right])]) }
    }
}
