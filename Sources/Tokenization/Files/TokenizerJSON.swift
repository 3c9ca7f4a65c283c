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

    func parts() throws(Malformed) -> TokenizerParts {
        guard let model else { throw Malformed("has no 'model'", hint: "it is not the tokenizer.json of a language model") }
        try model.requireBPE()
        var vocabulary = try model.vocabulary()
        let addedTokens = try addTokens(to: &vocabulary)
        let words = try PreTokenizerJSON(members["pre_tokenizer"])
        let alphabet = try words.mapsBytes ? vocabulary.byteAlphabet() : model.characterAlphabet(vocabulary)
        var parts = TokenizerParts(
            vocabulary: vocabulary, merges: try model.mergeTable(vocabulary), alphabet: alphabet, addedTokens: addedTokens,
            decoding: try DecoderJSON.decoding(members["decoder"], mapsBytes: words.mapsBytes))
        parts.ignoresMerges = model.flag("ignore_merges")
        if parts.ignoresMerges, !words.mapsBytes {
            throw Malformed(at: "model", "'ignore_merges' is read of byte-level vocabularies only")
        }
        parts.normalizations = try NormalizerJSON.steps(members["normalizer"])
        parts.marksSpaces = words.marksSpaces
        (parts.prefix, parts.splitting) = (words.prefix, words.rules)
        if words.isWhole, !words.mapsBytes { parts.splitWhereNothingMerges() }
        (parts.before, parts.after) = try PostProcessorJSON.frame(members["post_processor"], vocabulary)
        return parts
    }

    /// Adds what the model's own vocabulary lacks.
    private func addTokens(to vocabulary: inout Vocabulary) throws(Malformed) -> [AddedToken] {
        guard let value = members["added_tokens"], value != .null else { return [] }
        guard let list = value.array else { throw Malformed(at: "added_tokens", "is no array") }
        var tokens: [AddedToken] = []
        for (index, value) in list.enumerated() {
            guard let id = value["id"]?.integer else { throw Malformed(at: "added_tokens[\(index)]", "has no whole number 'id'") }
            let token = try AddedToken(value, id: id)
            try vocabulary.addIfMissing(token)
            tokens.append(token)
        }
        return tokens
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

    /// The ids of single bytes in GPT-2's alphabet. Every byte that can stand in UTF-8 must have one.
    func byteAlphabet() throws(Malformed) -> SymbolAlphabet {
        var ids: [TokenID] = []
        for byte in UInt8.min...UInt8.max {
            let id = id(of: ByteAlphabet.spelling(of: byte))
            let isInUTF8 = byte != 0xc0 && byte != 0xc1 && byte < 0xf5
            guard id != nil || !isInUTF8 else {
                let shown = String(decoding: ByteAlphabet.spelling(of: byte), as: UTF8.self)
                throw Malformed(at: "vocabulary", "byte \(byte) has no token, which would be '\(shown)'")
            }
            ids.append(id ?? -1)
        }
        return .bytes(ids)
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
