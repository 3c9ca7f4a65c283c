import Synchronization

/// Text to token ids and back, as the model was trained with.
///
/// Ids are those of the tokenizers library (of SentencePiece, where only a tokenizer.model is there). May be used by
/// several threads at once.
///
///     text  -> added tokens out -> normalize -> cut into words -> merge pairs of each -> ids
///     ids   -> bytes of each token -> UTF-8
package final class Tokenizer: Sendable {
    /// One more than the highest id: the embedding needs at least this many rows.
    package let idCount: Int
    package let specialTokens: SpecialTokens
    /// The model's own template of conversations, in Jinja; `PromptTemplate` recognizes some.
    package let chatTemplate: String?
    /// What is odd about the files, but no reason to refuse them.
    package let warnings: [String]

    private let parts: TokenizerParts
    private let rawTokens: AddedTokenMatcher
    private let normalizedTokens: AddedTokenMatcher
    private let specialIDs: Set<TokenID>
    /// What a word can be as a whole, where merges are ignored for those.
    private let wholeWords: Vocabulary?
    private let pieces: TokenPieces
    /// Caches of earlier calls; each call in progress has one for itself.
    private let idleStates = Mutex<[EncodingState]>([])

    init(_ parts: TokenizerParts, roles: TokenRoles) throws(Malformed) {
        var (rawTokens, normalizedTokens) = (AddedTokenMatcher(), AddedTokenMatcher())
        for token in parts.addedTokens {
            guard token.isNormalized else {
                rawTokens.add(token, as: token.content)
                continue
            }
            normalizedTokens.add(token, as: parts.normalizations.reduce(token.content) { $1.apply(to: $0, continues: false) })
        }
        self.parts = parts
        self.rawTokens = rawTokens
        self.normalizedTokens = normalizedTokens
        specialIDs = Set(parts.addedTokens.filter(\.isSpecial).map(\.id))
        wholeWords = try parts.ignoresMerges ? parts.vocabulary.decoded() : nil
        pieces = TokenPieces(parts)
        idCount = parts.vocabulary.idCount
        (specialTokens, warnings) = roles.resolved(in: parts.vocabulary)
        chatTemplate = roles.chatTemplate
    }

    /// The ids of a text.
    package func encode(_ text: String, _ options: EncodingOptions = EncodingOptions()) -> [TokenID] {
        var ids: [TokenID] = options.addsSpecialTokens ? parts.before : []
        var state = idleStates.withLock { $0.popLast() } ?? EncodingState()
        var isFirst = true
        let bytes = Array(text.utf8)
        for piece in rawTokens.pieces(of: bytes, findsSpecial: options.findsSpecialTokens) {
            switch piece {
            case .token(let id): ids.append(id)
            case .text(let range):
                encodePiece(range == 0..<bytes.count ? bytes : Array(bytes[range]), isFirst, options, &state, &ids)
            }
            isFirst = false
        }
        idleStates.withLock { $0.append(state) }
        if options.addsSpecialTokens { ids += parts.after }
        return ids
    }

    /// The text of ids; bytes that are no UTF-8 become U+FFFD. Ids that no token has are left out.
    ///
    /// - Parameter showsSpecialTokens: whether `</s>` and its like are part of the text.
    package func decode(_ ids: some Sequence<TokenID>, showsSpecialTokens: Bool = false) -> String {
        var decoder = StreamingDecoder(self, beginsText: true, showsSpecialTokens: showsSpecialTokens)
        var text = ""
        for id in ids { text += decoder.append(id) }
        return text + decoder.finish()
    }

    /// The id of a token by its spelling in the file, such as `</s>` or `Ġthe`.
    package func id(of spelling: String) -> TokenID? { parts.vocabulary.id(of: spelling) }

    /// A token's spelling in the file, for listings; nil for an id that no token has.
    package func spelling(of id: TokenID) -> String? { parts.vocabulary.spelling(of: id).map { String(decoding: $0, as: UTF8.self) } }

    /// Whether a token is one of those that only control the model.
    package func isSpecial(_ id: TokenID) -> Bool { specialIDs.contains(id) }

    /// The bytes that a token stands for in the middle of a text; they may be a part of a character. Empty for an id that
    /// no token has.
    package func bytes(of id: TokenID) -> ArraySlice<UInt8> { pieces[id] }

    /// Spaces at the beginning of a text that are there only for the tokens' sake.
    var hiddenSpaceCount: Int { if case .marks(let count) = parts.decoding { count } else { 0 } }

    // MARK: - Encoding

    /// Encodes what lies between two added tokens.
    private func encodePiece(
        _ raw: [UInt8], _ isFirst: Bool, _ options: EncodingOptions, _ state: inout EncodingState, _ ids: inout [TokenID]
    ) {
        let continues = isFirst && options.continuesText
        let text = parts.normalizations.reduce(raw) { $1.apply(to: $0, continues: continues) }
        var isFirst = isFirst
        for piece in normalizedTokens.pieces(of: text, findsSpecial: options.findsSpecialTokens) {
            switch piece {
            case .token(let id): ids.append(id)
            case .text(let range):
                var bytes = range == 0..<text.count ? text : Array(text[range])
                if parts.marksSpaces {
                    bytes = Normalization.replacement(of: Decoding.space, with: Decoding.mark).apply(to: bytes, continues: true)
                }
                let words = parts.prefix.apply(to: bytes, isFirst: isFirst, continues: continues && isFirst)
                split(words.span, from: 0, to: words.count, rule: 0, &state, &ids)
            }
            isFirst = false
        }
    }

    /// Cuts text with the rules from `rule` on, and encodes the words.
    private func split(
        _ text: Span<UInt8>, from start: Int, to end: Int, rule: Int, _ state: inout EncodingState, _ ids: inout [TokenID]
    ) {
        guard rule < parts.splitting.count else { return encodeWord(text, from: start, to: end, &state, &ids) }
        let splitting = parts.splitting[rule]
        let isLast = rule + 1 == parts.splitting.count
        var position = start
        while position < end {
            let wordEnd = splitting.endOfWord(in: text, from: position, to: end, state.words)
            if isLast {
                encodeWord(text, from: position, to: wordEnd, &state, &ids)
            } else {
                split(text, from: position, to: wordEnd, rule: rule + 1, &state, &ids)
            }
            position = wordEnd
        }
    }

    private func encodeWord(_ text: Span<UInt8>, from start: Int, to end: Int, _ state: inout EncodingState, _ ids: inout [TokenID]) {
        guard start < end else { return }
        let isShort = end - start <= WordCache.byteCountLimit
        if isShort, state.cache.append(text, from: start, to: end, to: &ids) { return }
        if let id = wholeWords?.id(of: text, from: start, to: end) {
            ids.append(id)
            return
        }
        parts.alphabet.decompose(text, from: start, to: end, parts.vocabulary, into: &state.merging.symbols)
        state.merging.mergeAll(parts.merges)
        if isShort { state.cache.add(text, from: start, to: end, tokens: state.merging.symbols) }
        ids += state.merging.symbols
    }
}

/// What is asked of an encoding beside the text.
package struct EncodingOptions: Hashable, Sendable {
    /// Put the special tokens around the text that the model expects, such as a BOS. Default yes.
    package var addsSpecialTokens: Bool
    /// Take `</s>` in the text for the token; else it is text like any other. Default yes: right for what a template made,
    /// wrong for what a stranger wrote.
    package var findsSpecialTokens: Bool
    /// The text goes on where other text ended: no space is put in front. Default no.
    package var continuesText: Bool

    package init(addsSpecialTokens: Bool = true, findsSpecialTokens: Bool = true, continuesText: Bool = false) {
        self.addsSpecialTokens = addsSpecialTokens
        self.findsSpecialTokens = findsSpecialTokens
        self.continuesText = continuesText
    }
}

/// Memory that encoding keeps from text to text.
struct EncodingState: Sendable {
    var cache = WordCache()
    var merging = PairMerging()
    let words = WordScanning()
}
