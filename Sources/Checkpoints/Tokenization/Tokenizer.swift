import Synchronization

/// Text to token ids and back, as the model was trained with.
///
/// Ids are those of the tokenizers library (of SentencePiece, where only a tokenizer.model is there). May be used by
/// several threads at once.
///
///     text  -> added tokens out -> normalize -> cut into words -> merge pairs of each -> ids
///     ids   -> bytes of each token -> UTF-8
package final class Tokenizer: Sendable {
    /// One more than the highest id.
    package let idCount: Int
    /// The same of the tokens that were not added to the vocabulary later: the embedding needs at least this many rows.
    package let vocabularyIDCount: Int
    package let specialTokens: SpecialTokens
    /// The model's own templates of conversations, in Jinja, by name; the one without a name of its own is `default`.
    package let chatTemplates: [String: String]
    /// The texts of tokens that have a role, by the names that chat templates know them under: `bos_token`, `eos_token` and so on.
    package let roleTexts: [String: String]
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
        wholeWords = parts.wholeWords
        pieces = TokenPieces(parts)
        idCount = parts.vocabulary.idCount
        let added = Set(parts.addedTokens.map(\.id))
        var rowCount = idCount
        while rowCount > 0, added.contains(TokenID(rowCount - 1)) { rowCount -= 1 }
        vocabularyIDCount = rowCount
        let (tokens, oddities) = roles.resolved(in: parts.vocabulary)
        (specialTokens, warnings) = (tokens, parts.warnings + oddities)
        chatTemplates = roles.chatTemplates
        var texts = roles.texts
        for (name, id) in [("bos_token", tokens.beginning), ("eos_token", tokens.end)] where texts[name] == nil {
            texts[name] = id.flatMap { parts.vocabulary.spelling(of: $0) }.map { String(decoding: $0, as: UTF8.self) }
        }
        roleTexts = texts
    }

    /// The ids of a text.
    package func encode(_ text: String, _ options: EncodingOptions = EncodingOptions()) -> [TokenID] {
        let bytes = Array(text.utf8)
        let markup = options.findsSpecialTokens ? [0..<bytes.count] : []
        let ids = encode(bytes, markup: markup, continuesText: options.continuesText)[0]
        return options.addsSpecialTokens ? parts.before + ids + parts.after : ids
    }

    /// How many bytes of a text have no token, not even an unknown one, and are left out, as in the tokenizers library.
    package func lostByteCount(in text: String) -> Int {
        guard case .bytes(let ids, let fallback) = parts.alphabet, !fallback.isComplete, ids.contains(-1) else { return 0 }
        return text.utf8.reduce(0) { $0 + (ids[Int($1)] < 0 ? 1 : 0) }
    }

    /// The special tokens that the tokenizer puts around a text.
    package var frame: (before: [TokenID], after: [TokenID]) { (parts.before, parts.after) }

    /// The ids of a text, without special tokens around it.
    ///
    /// - Parameters:
    ///   - text: UTF-8.
    ///   - markup: where special tokens are found, in ascending order; elsewhere they are text like any other. Those that
    ///     the tokenizer looks for in normalized text, where places are lost, are found where all is markup.
    ///   - cuts: places in the text, in ascending order, that no token of ordinary text reaches across.
    ///   - continuesText: whether it goes on where other text ended.
    /// - Returns: the ids before, between and after the cuts: one list more than there are cuts.
    package func encode(
        _ text: [UInt8], markup: [Range<Int>], cuts: [Int] = [], continuesText: Bool = false
    ) -> [[TokenID]] {
        var segments: [[TokenID]] = [[]]
        var cuts = cuts[...]
        var state = idleStates.withLock { $0.popLast() } ?? EncodingState()
        var piece = PieceContext(findsSpecial: markup == [0..<text.count], continuesText: continuesText)
        func pass(_ place: Int) {
            while let cut = cuts.first, cut <= place {
                cuts.removeFirst()
                segments.append([])
            }
        }
        for part in rawTokens.pieces(of: text, findsSpecialIn: markup) {
            switch part {
            case .token(let id, let place):
                pass(place)
                segments[segments.count - 1].append(id)
            case .text(var range):
                pass(range.lowerBound)
                while let cut = cuts.first, cut < range.upperBound {
                    encodePiece(Array(text[range.lowerBound..<cut]), piece, &state, &segments[segments.count - 1])
                    pass(cut)
                    range = cut..<range.upperBound
                    piece = PieceContext(findsSpecial: piece.findsSpecial, continuesText: true)
                }
                encodePiece(range == 0..<text.count ? text : Array(text[range]), piece, &state, &segments[segments.count - 1])
            }
            piece.isFirst = false
        }
        pass(text.count)
        idleStates.withLock { $0.append(state) }
        return segments
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
    var hiddenSpaceCount: Int {
        switch parts.decoding {
        case .byteAlphabet: 0
        case .marks(let count): count
        case .words: 1
        }
    }

    // MARK: - Encoding

    /// Where a piece of text stands.
    private struct PieceContext {
        let findsSpecial: Bool
        let continuesText: Bool
        /// Whether it is the first piece of what is encoded at once.
        var isFirst = true
        /// Whether it goes on with what was before the text.
        var continues: Bool { isFirst && continuesText }
    }

    /// Encodes what lies between two added tokens.
    private func encodePiece(_ raw: [UInt8], _ context: PieceContext, _ state: inout EncodingState, _ ids: inout [TokenID]) {
        let text = parts.normalizations.reduce(raw) { $1.apply(to: $0, continues: context.continues) }
        var context = context
        for piece in normalizedTokens.pieces(of: text, findsSpecialIn: context.findsSpecial ? [0..<text.count] : []) {
            switch piece {
            case .token(let id, _): ids.append(id)
            case .text(let range):
                var bytes = range == 0..<text.count ? text : Array(text[range])
                if parts.marksSpaces {
                    bytes = Normalization.replacement(of: Decoding.space, with: Decoding.mark).apply(to: bytes, continues: true)
                }
                let words = parts.prefix.apply(to: bytes, isFirst: context.isFirst && !context.continuesText, continues: context.continues)
                split(words.span, from: 0, to: words.count, rule: 0, &state, &ids)
            }
            context.isFirst = false
        }
    }

    /// Cuts text with the rules from `rule` on, and encodes the words.
    private func split(
        _ text: Span<UInt8>, from start: Int, to end: Int, rule: Int, _ state: inout EncodingState, _ ids: inout [TokenID]
    ) {
        guard rule < parts.splitting.count else {
            guard !parts.byteSplitting.isEmpty else { return encodeWord(text, from: start, to: end, &state, &ids) }
            let spelled = ByteAlphabet.spelling(of: text, from: start, to: end)
            return splitBytes(spelled.span, from: 0, to: spelled.count, rule: 0, &state, &ids)
        }
        let splitting = parts.splitting[rule]
        let isLast = rule + 1 == parts.splitting.count && parts.byteSplitting.isEmpty
        var position = start
        var ruleState = ExpressionSplit.State()
        while position < end {
            let (wordEnd, isKept) = splitting.nextWord(in: text, from: position, to: end, state.words, &ruleState)
            defer { position = wordEnd }
            guard isKept else { continue }
            if isLast {
                encodeWord(text, from: position, to: wordEnd, &state, &ids)
            } else {
                split(text, from: position, to: wordEnd, rule: rule + 1, &state, &ids)
            }
        }
    }

    /// Cuts a word further by rules that look at the byte alphabet, in which each byte is a character.
    private func splitBytes(
        _ text: Span<UInt8>, from start: Int, to end: Int, rule: Int, _ state: inout EncodingState, _ ids: inout [TokenID]
    ) {
        guard rule < parts.byteSplitting.count else {
            let bytes = ByteAlphabet.bytes(of: text, from: start, to: end)
            return encodeWord(bytes.span, from: 0, to: bytes.count, &state, &ids)
        }
        var position = start
        var ruleState = ExpressionSplit.State()
        while position < end {
            let (wordEnd, isKept) = parts.byteSplitting[rule].nextWord(in: text, from: position, to: end, state.words, &ruleState)
            if isKept { splitBytes(text, from: position, to: wordEnd, rule: rule + 1, &state, &ids) }
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
