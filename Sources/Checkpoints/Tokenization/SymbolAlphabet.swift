/// The symbols that a word consists of before anything is merged.
enum SymbolAlphabet: Sendable {
    /// Bytes: the id of each; one that is not in the vocabulary (-1) is taken for the character that spells it.
    case bytes([TokenID], CharacterFallback)
    /// Characters; what is not in the vocabulary becomes its bytes, or the unknown token. So does what was only added to it: merges
    /// know the model's own tokens alone.
    case characters(CharacterFallback, added: Set<TokenID> = [])

    /// Replaces `symbols` by those of `text[start..<end]`.
    func decompose(
        _ text: Span<UInt8>, from start: Int, to end: Int, _ vocabulary: Vocabulary, into symbols: inout [TokenID]
    ) {
        symbols.removeAll(keepingCapacity: true)
        switch self {
        case .bytes(let ids, let fallback):
            var followsUnknown = false
            for i in start..<end {
                let id = ids[Int(text[i])]
                if id >= 0 {
                    symbols.append(id)
                    followsUnknown = false
                } else {
                    let spelling = ByteAlphabet.spelling(of: text[i])
                    fallback.append(spelling.span, from: 0, to: spelling.count, followsUnknown: &followsUnknown, to: &symbols)
                }
            }
        case .characters(let fallback, let added):
            var position = start
            var followsUnknown = false
            while position < end {
                let next = position + scalar(in: text, at: position).byteCount
                if let id = vocabulary.id(of: text, from: position, to: next), !added.contains(id) {
                    symbols.append(id)
                    followsUnknown = false
                } else {
                    fallback.append(text, from: position, to: next, followsUnknown: &followsUnknown, to: &symbols)
                }
                position = next
            }
        }
    }
}

/// What becomes of characters that the vocabulary does not have.
struct CharacterFallback: Sendable {
    /// The tokens `<0x00>` ... `<0xFF>`, or -1; empty where bytes are not fallen back to.
    let byteIDs: [TokenID]
    /// Where there is none, such characters are left out.
    let unknown: TokenID?
    /// Whether several unknown characters in a row are one token.
    let fusesUnknown: Bool

    func append(_ text: Span<UInt8>, from start: Int, to end: Int, followsUnknown: inout Bool, to symbols: inout [TokenID]) {
        if !byteIDs.isEmpty {
            var hasAll = true
            for i in start..<end where byteIDs[Int(text[i])] < 0 { hasAll = false }
            if hasAll {
                for i in start..<end { symbols.append(byteIDs[Int(text[i])]) }
                followsUnknown = false
                return
            }
        }
        if followsUnknown, fusesUnknown { return }
        if let unknown { symbols.append(unknown) }
        followsUnknown = true
    }
}
