import JSONText

/// The member `model` of tokenizer.json. Tokens and merges are read one by one: a vocabulary has hundreds of thousands.
struct BPEModelJSON {
    private var settings = JSONObject()
    private var tokens: [(spelling: String, id: Int)] = []
    private var hasVocabulary = false
    private(set) var merges: [(left: String, right: String)] = []

    init(from scanner: inout JSONScanner) throws(JSONError) {
        var seen: Set<ByteKey> = []
        try scanner.readObject { (scanner, key, offset) throws(JSONError) in
            guard seen.insert(ByteKey(key)).inserted else {
                throw JSONError(offset: offset, "key '\(JSONError.excerpt(key))' stands here for the second time")
            }
            switch (key, try scanner.peekKind()) {
            case ("vocab", .object):
                hasVocabulary = true
                tokens = try scanner.readTokens()
            case ("merges", .array):
                try scanner.readArray { (scanner) throws(JSONError) in merges.append(try Self.readMerge(&scanner)) }
            case ("vocab", _), ("merges", _): try scanner.skipValue()
            default: settings[key] = try JSONValue(from: &scanner)
            }
        }
    }

    /// Refuses other models, and what would change the ids of this one, by name.
    func requireBPE() throws(Malformed) {
        let type = settings["type"]?.string ?? "BPE"
        guard type == "BPE" else {
            throw Malformed(at: "model", "is of type '\(JSONError.excerpt(type))', which is not read; byte pair encoding (BPE) is")
        }
        guard hasVocabulary else { throw Malformed(at: "model", "has no object 'vocab'") }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] where !(settings[key]?.string ?? "").isEmpty {
            throw Malformed(at: "model", "has a '\(key)', which is not read")
        }
        if let dropout = settings["dropout"], dropout != .null, dropout.double != 0 {
            throw Malformed(at: "model", "has a 'dropout': its ids would be random")
        }
        for key in ["ignore_merges", "byte_fallback", "fuse_unk"] {
            guard let value = settings[key], value != .null, value.bool == nil else { continue }
            throw Malformed(at: "model", "'\(key)' is neither true nor false")
        }
    }

    var unknown: String? { settings["unk_token"]?.string }

    func flag(_ key: String) -> Bool { settings[key]?.bool ?? false }

    func vocabulary() throws(Malformed) -> Vocabulary { try Vocabulary(tokens) }

    func mergeTable(_ vocabulary: Vocabulary) throws(Malformed) -> MergeTable {
        var table = MergeTable()
        for (rank, merge) in merges.enumerated() { try table.add(merge.left, merge.right, rank: rank, vocabulary) }
        return table
    }

    /// What becomes of characters without a token.
    ///
    /// - Parameter hasGaps: whether there can be such characters at all.
    func fallback(_ vocabulary: Vocabulary, hasGaps: Bool) throws(Malformed) -> CharacterFallback {
        let unknownID = unknown.flatMap { vocabulary.id(of: $0) }
        let fallback = CharacterFallback(
            vocabulary, fallsBackToBytes: flag("byte_fallback"), unknown: unknownID, fusesUnknown: flag("fuse_unk"))
        if hasGaps, !fallback.isComplete, let unknown {
            throw Malformed(at: "model", "'unk_token' is '\(JSONError.excerpt(unknown))', which the vocabulary does not have")
        }
        return fallback
    }

    /// `"a b"` or `["a", "b"]`.
    private static func readMerge(_ scanner: inout JSONScanner) throws(JSONError) -> (String, String) {
        if try scanner.peekKind() == .array {
            let offset = scanner.offset
            var pair: [String] = []
            try scanner.readArray { (scanner) throws(JSONError) in
                pair.append(try scanner.readString())
                if pair.count > 2 { throw JSONError(offset: offset, "a merge has more than two tokens") }
            }
            guard pair.count == 2 else { throw JSONError(offset: offset, "a merge has \(pair.count) tokens, not 2") }
            return (pair[0], pair[1])
        }
        let offset = scanner.offset
        let text = try scanner.readString()
        guard let pair = MergeTable.pair(text[...]) else {
            throw JSONError(offset: offset, "a merge is '\(JSONError.excerpt(text))', which is not two tokens with a space between")
        }
        return pair
    }
}

extension MergeTable {
    /// The two tokens of `a b`; nil where there are not two.
    static func pair(_ text: Substring) -> (String, String)? {
        let space = UInt8(ascii: " ")
        guard let middle = text.utf8.firstIndex(of: space), middle > text.startIndex else { return nil }
        let rest = text.utf8[text.utf8.index(after: middle)...]
        guard !rest.isEmpty, !rest.contains(space) else { return nil }
        return (String(text[..<middle]), String(Substring(rest)))
    }

    /// Adds a merge by its spelling: both tokens and what they become must be in the vocabulary.
    mutating func add(_ left: String, _ right: String, rank: Int, _ vocabulary: Vocabulary) throws(Malformed) {
        func id(_ spelling: String) throws(Malformed) -> TokenID {
            guard let id = vocabulary.id(of: spelling) else {
                throw Malformed(
                    at: "merge \(rank)",
                    "of '\(JSONError.excerpt(left))' and '\(JSONError.excerpt(right))' needs the token '\(JSONError.excerpt(spelling))', "
                        + "which the vocabulary does not have")
            }
            return id
        }
        guard let rank = Int32(exactly: rank) else { throw Malformed("has more than \(Int32.max) merges") }
        add(try id(left), try id(right), rank: rank, result: try id(left + right))
    }
}

extension CharacterFallback {
    init(_ vocabulary: Vocabulary, fallsBackToBytes: Bool, unknown: TokenID?, fusesUnknown: Bool) {
        let bytes = fallsBackToBytes ? (UInt8.min...UInt8.max).map { vocabulary.id(of: Decoding.byteToken($0)) ?? -1 } : []
        self.init(byteIDs: bytes, unknown: unknown, fusesUnknown: fusesUnknown)
    }

    /// Whether no character is ever left out.
    var isComplete: Bool { unknown != nil || (!byteIDs.isEmpty && !byteIDs.contains(-1)) }
}
