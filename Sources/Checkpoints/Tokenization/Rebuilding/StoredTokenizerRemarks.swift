import JSONText

/// How white space of texts is treated around pieces, where it is not as llama.cpp does it: a space in front of every text between
/// special tokens, or of none, and nothing else changed or cut.
enum SpaceHabits {
    /// Whether a space is put in front of text.
    static func addsPrefix(_ parts: TokenizerParts) -> Bool {
        parts.normalizations.contains(.prefix(Decoding.mark)) || parts.prefix == .always(Decoding.mark)
            || parts.prefix == .first(Decoding.mark)
    }

    static func remarks(_ parts: TokenizerParts) -> [String] {
        var remarks: [String] = []
        switch parts.prefix {
        case .none: break
        case .always: remarks.append("text that begins with a space gets no other one in front; llama.cpp puts one there")
        case .first:
            remarks.append("only the beginning of a text gets a space in front; llama.cpp puts one after every special token, too")
        }
        let usual: [Normalization] = [.prefix(Decoding.mark), .replacement(of: Decoding.space, with: Decoding.mark)]
        if parts.normalizations.contains(where: { !usual.contains($0) }) {
            remarks.append("text is changed before it is cut; llama.cpp leaves it as it is, and some texts get other ids")
        }
        if !parts.byteSplitting.isEmpty || parts.splitting.contains(where: { cuts($0, parts) }) {
            remarks.append("text is cut into words before anything is merged; llama.cpp merges across their borders")
        }
        return remarks
    }

    /// Whether a rule keeps apart what would be merged: not where it cuts at spaces, which are none any more, or before every `▁`,
    /// where no token has one inside.
    private static func cuts(_ rule: SplittingRule, _ parts: TokenizerParts) -> Bool {
        switch rule {
        case .gpt2, .llama3: true
        case .expression(let split): split.automaton.source != "the text  "
        case .marks(let every): every && hasInnerMark(parts)
        }
    }

    private static func hasInnerMark(_ parts: TokenizerParts) -> Bool {
        let added = Set(parts.addedTokens.map(\.id))
        return (0..<TokenID(parts.vocabulary.idCount)).contains { id in
            guard !added.contains(id), let spelling = parts.vocabulary.spelling(of: id) else { return false }
            return String(decoding: spelling, as: UTF8.self).unicodeScalars.dropFirst().contains("\u{2581}")
        }
    }
}

/// What added tokens do that the metadata of a GGUF file does not say.
enum AddedTokenHabits {
    static func remarks(_ parts: TokenizerParts) -> [String] {
        let taking = parts.addedTokens.filter { $0.stripsLeft || $0.stripsRight || $0.isSingleWord }
        let changed = parts.addedTokens.filter { token in
            token.isNormalized && parts.normalizations.reduce(token.content) { $1.apply(to: $0, continues: false) } != token.content
        }
        return [
            remark(
                taking, "takes white space along, or is none inside of a word (lstrip, rstrip, single_word), which llama.cpp does not do"),
            remark(changed, "is looked for in text that was changed (normalized); llama.cpp looks for it in text as it is written"),
        ].compactMap(\.self)
    }

    private static func remark(_ tokens: [AddedToken], _ what: String) -> String? {
        guard let first = tokens.first else { return nil }
        let name = JSONError.excerpt(String(decoding: first.content, as: UTF8.self))
        return "the added token '\(name)' \(what)" + (tokens.count > 1 ? "; so it is with \(tokens.count - 1) more" : "")
    }
}
