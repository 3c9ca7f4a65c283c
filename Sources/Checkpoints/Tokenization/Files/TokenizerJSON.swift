import JSONText

/// tokenizer.json, as the tokenizers library writes it.
///
///     { "added_tokens": [ {id, content, flags} ], "normalizer", "pre_tokenizer", "post_processor", "decoder",
///       "model": { "type": "BPE", "vocab": {token: id}, "merges": [ "a b" or [a, b] ], flags } }
///
/// `truncation` and `padding` say how batches were made, not what the tokens are, and are not looked at.
struct TokenizerJSON {
    private var members = JSONObject()
    private var model: BPEModelJSON?

    init(_ bytes: [UInt8]) throws(Malformed) {
        var scanner = JSONScanner(bytes)
        do {
            var seen: Set<ByteKey> = []
            try scanner.readObject { (scanner, key, offset) throws(JSONError) in
                guard seen.insert(ByteKey(key)).inserted else {
                    throw JSONError(offset: offset, "key '\(JSONError.excerpt(key))' stands here for the second time")
                }
                switch key {
                case "model": model = try BPEModelJSON(from: &scanner)
                case "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder":
                    members[key] = try JSONValue(from: &scanner)
                default: try scanner.skipValue()
                }
            }
            try scanner.expectEnd()
        } catch { throw Malformed(error) }
    }

    /// The model's merges in their order.
    var merges: [(left: String, right: String)] { model?.merges ?? [] }

    /// `unk_token` of the model.
    var unknown: String? { model?.unknown }

    var postProcessor: JSONValue? { members["post_processor"] }

    func parts(_ roles: TokenRoles) throws(Malformed) -> TokenizerParts {
        guard let model else { throw Malformed("has no 'model'", hint: "it is not the tokenizer.json of a language model") }
        try model.requireBPE()
        let vocabulary = try model.vocabulary()
        let added = try addedTokens(vocabulary, roles)
        let words = try PreTokenizerJSON(members["pre_tokenizer"])
        let fallback = try model.fallback(vocabulary, hasGaps: !words.mapsBytes || vocabulary.hasByteGaps)
        var parts = TokenizerParts(
            vocabulary: added.vocabulary, merges: try model.mergeTable(vocabulary),
            alphabet: words.mapsBytes
                ? vocabulary.byteAlphabet(fallback)
                : .characters(fallback, added: Set(added.tokens.filter { vocabulary.id(of: $0.content) == nil }.map(\.id))),
            addedTokens: added.tokens,
            decoding: try DecoderJSON.decoding(members["decoder"], mapsBytes: words.mapsBytes))
        parts.warnings = vocabulary.warnings + added.warnings
        if !words.mapsBytes, !fallback.isComplete {
            parts.warnings.append("characters that the vocabulary does not have are left out, as the tokenizers library does")
        }
        if model.flag("ignore_merges") { parts.wholeWords = try words.mapsBytes ? vocabulary.decoded() : vocabulary }
        parts.normalizations = try NormalizerJSON.steps(members["normalizer"])
        parts.marksSpaces = words.marksSpaces
        (parts.prefix, parts.splitting, parts.byteSplitting) = (words.prefix, words.rules, words.byteRules)
        if !words.mapsBytes, !words.marksWords { parts.splitWhereNothingMerges() }
        (parts.before, parts.after) = try PostProcessorJSON.frame(members["post_processor"], added.vocabulary)
        return parts
    }

    /// The file's own, and what transformers adds because other files name it.
    private func addedTokens(_ vocabulary: Vocabulary, _ roles: TokenRoles) throws(Malformed) -> AddedTokenList {
        var added = AddedTokenList(vocabulary)
        if let value = members["added_tokens"], value != .null {
            guard let list = value.array else { throw Malformed(at: "added_tokens", "is no array") }
            for (index, value) in list.enumerated() {
                guard let id = value["id"]?.integer else { throw Malformed(at: "added_tokens[\(index)]", "has no whole number 'id'") }
                try added.add(AddedToken(value, id: id))
            }
        }
        try added.add(roles)
        return added
    }
}

extension Vocabulary {
    /// An added token may stand in the model's vocabulary too, with the same id.
    mutating func addIfMissing(_ token: AddedToken) throws(Malformed) {
        guard let id = id(of: token.content) else { return try add(token.content, id: Int(token.id)) }
        guard id == token.id else {
            let shown = String(decoding: token.content.prefix(100), as: UTF8.self)
            throw Malformed(at: "added token '\(shown)'", "has the id \(token.id), but in the vocabulary it has \(id)")
        }
    }

    /// The ids of single bytes in GPT-2's alphabet.
    ///
    /// - Parameter fallback: for bytes that have none.
    func byteAlphabet(_ fallback: CharacterFallback) -> SymbolAlphabet {
        .bytes((UInt8.min...UInt8.max).map { id(of: ByteAlphabet.spelling(of: $0)) ?? -1 }, fallback)
    }

    /// Whether a byte that can stand in UTF-8 has no token.
    var hasByteGaps: Bool {
        (UInt8.min...UInt8.max).contains { byte in
            byte != 0xc0 && byte != 0xc1 && byte < 0xf5 && id(of: ByteAlphabet.spelling(of: byte)) == nil
        }
    }

    /// What is odd: tokens that stand there twice.
    var warnings: [String] {
        guard let first = repeats.first else { return [] }
        return ["the vocabulary has tokens twice: \(first)" + (repeats.count > 1 ? ", and \(repeats.count - 1) more" : "")]
    }
}

extension TokenizerParts {
    /// Cuts unbroken text before every `▁` that follows something else, where no token has one there: then no merge crosses
    /// such a place, and words can be encoded one by one.
    mutating func splitWhereNothingMerges() {
        guard vocabulary.id(of: Decoding.mark) != nil else { return }
        let added = Set(addedTokens.map(\.id))
        for id in 0..<TokenID(vocabulary.idCount) {
            guard let spelling = vocabulary.spelling(of: id), !added.contains(id) else { continue }
            let scalars = String(decoding: spelling, as: UTF8.self).unicodeScalars
            if scalars.drop(while: { $0 == "\u{2581}" }).contains("\u{2581}") { return }
        }
        splitting.append(.marks(every: false))
    }
}
