import JSONText

/// Finds in the files of a Hugging Face model what the metadata of a GGUF file states: the inverse of `StoredTokenizerWriter`.
struct StoredTokenizerReader {
    /// A tokenizer, and what only its own file says of it.
    struct Source {
        let parts: TokenizerParts
        let roles: TokenRoles
        /// In their order; none of a SentencePiece model.
        var merges: [(left: String, right: String)] = []
        /// The token of characters that the vocabulary does not have, by its text.
        var unknown: String?
        var postProcessor: JSONValue?
        /// SentencePiece's own file, where there is one.
        var pieces: SentencePieceModel?
        /// What is odd about the files.
        var remarks: [String] = []
    }

    let source: Source
    /// Rows of the embedding, for each of which a file has a token.
    let rowCount: Int
    /// What a program that reads GGUF files does otherwise than the tokenizer.
    private(set) var remarks: [String]
    /// By id.
    private let added: [TokenID: AddedToken]
    private var tokens: [String] = []
    private var types: [Int] = []
    private var scores: [Float] = []

    private typealias TokenType = StoredTokenizerWriter.TokenType

    /// Scores of tokens that are not merged: of added ones, and of those that fill up.
    private static let (addedScore, fillingScore) = (Float(-1000), Float(-10000))

    init(_ source: Source, rowCount: Int) {
        self.source = source
        self.rowCount = rowCount
        remarks = source.remarks + source.parts.warnings
        added = Dictionary(source.parts.addedTokens.map { ($0.id, $0) }) { _, later in later }
    }

    mutating func tokenizer() throws(Malformed) -> StoredTokenizer {
        try checkRows()
        let isSentencePiece = try isSentencePiece()
        let splitting: String
        if isSentencePiece {
            splitting = "default"
            remarks += SpaceHabits.remarks(source.parts)
            try readPieces()
        } else {
            let found = try StoredSplitting.name(of: source.parts)
            splitting = found.name
            remarks += found.remarks
            readBytePairs()
        }
        remarks += AddedTokenHabits.remarks(source.parts)
        var stored = StoredTokenizer(model: isSentencePiece ? "llama" : "gpt2", splitting: splitting, tokens: tokens, types: types)
        stored.scores = scores
        if !isSentencePiece { stored.merges = source.merges.map { "\(Self.spaced($0.left)) \(Self.spaced($0.right))" } }
        var frame = StoredFrame(source, rowCount: rowCount, isSentencePiece: isSentencePiece, splitting: splitting)
        frame.fill(&stored)
        remarks += frame.remarks
        // What is written has to be read again.
        _ = try StoredTokenizerWriter(stored)
        return stored
    }

    private func isSentencePiece() throws(Malformed) -> Bool {
        switch source.parts.decoding {
        case .byteAlphabet: return false
        case .marks: return true
        case .words:
            throw Malformed(
                at: "decoder", "puts a space between any two tokens, which no kind of tokenizer in GGUF files does that is known here")
        }
    }

    /// Tokens without a row are only left out where they were added: nothing else of the vocabulary needs them.
    private mutating func checkRows() throws(Malformed) {
        let beyond = (rowCount..<max(rowCount, source.parts.vocabulary.idCount)).filter {
            source.parts.vocabulary.spelling(of: TokenID($0)) != nil
        }
        guard let first = beyond.first else { return }
        if let own = beyond.first(where: { added[TokenID($0)] == nil }) {
            throw Malformed(
                at: "token '\(shown(own))'", "has the id \(own), but the embedding has \(rowCount) rows",
                hint: "tokenizer and weights belong to different models")
        }
        let rest = beyond.count > 1 ? " and \(beyond.count - 1) more" : ""
        remarks.append("the added token '\(shown(first))'\(rest) is left out: the embedding has \(rowCount) rows")
    }

    private func shown(_ id: Int) -> String { JSONError.excerpt(spelling(id) ?? "") }

    private func spelling(_ id: Int) -> String? {
        source.parts.vocabulary.spelling(of: TokenID(id)).map { String(decoding: $0, as: UTF8.self) }
    }

    private mutating func append(_ text: String, _ type: TokenType, _ score: Float? = nil) {
        tokens.append(text)
        types.append(type.rawValue)
        if let score { scores.append(score) }
    }

    /// One that was added is plain text; `▁` in it is a space unless it controls the model.
    private static func stored(_ token: AddedToken) -> (text: String, type: TokenType) {
        let text = String(decoding: token.content, as: UTF8.self)
        guard !token.isSpecial, !looksSpecial(text) else { return (text, .control) }
        let plain = Normalization.replacement(of: Decoding.mark, with: Decoding.space).apply(to: token.content, continues: true)
        return (String(decoding: plain, as: UTF8.self), .user)
    }

    /// Some models add tokens that control them without saying that they are special.
    private static func looksSpecial(_ text: String) -> Bool {
        let pairs = [("<|", "|>"), ("<｜", "｜>"), ("<unused", ">")]
        return ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].contains(text) || pairs.contains { text.hasPrefix($0) && text.hasSuffix($1) }
    }

    // MARK: - Byte pairs

    private mutating func readBytePairs() {
        for id in 0..<rowCount {
            if let token = added[TokenID(id)] {
                let (text, type) = Self.stored(token)
                append(text, type)
            } else if let text = spelling(id) {
                append(text, .normal)
            } else {
                append("[PAD\(id)]", .unused)
            }
        }
    }

    /// A space stands between the two parts of a merge, and inside of one it is spelled as a byte.
    private static func spaced(_ part: String) -> String {
        part.utf8.contains(UInt8(ascii: " "))
            ? String(String.UnicodeScalarView(part.unicodeScalars.map { $0 == " " ? "\u{120}" : $0 })) : part
    }

    // MARK: - Pieces

    private mutating func readPieces() throws(Malformed) {
        let listed = source.pieces?.pieces ?? []
        let made = try source.pieces == nil ? madeScores() : []
        let stated = Set(source.roles.addedTokens.map(\.id))
        for id in 0..<rowCount {
            let piece = listed.indices.contains(id) ? listed[id] : nil
            if let token = added[TokenID(id)] {
                let isOwn = piece.map { $0.spelling == token.content && $0.type != .normal } ?? false
                if let piece, isOwn, !stated.contains(token.id), piece.type == .unknown || piece.type == .control {
                    append(String(decoding: piece.spelling, as: UTF8.self), piece.type == .unknown ? .unknown : .control, piece.score)
                } else {
                    let (text, type) = Self.stored(token)
                    append(text, type, Self.addedScore)
                }
            } else if let text = spelling(id) {
                guard let piece else {
                    guard source.pieces == nil else {
                        throw Malformed(
                            at: "token '\(JSONError.excerpt(text))'", "has the id \(id), but tokenizer.model has \(listed.count) pieces",
                            hint: "tokenizer.json and tokenizer.model belong to different models")
                    }
                    append(text, ownType(text), made[id])
                    continue
                }
                guard piece.spelling == Array(text.utf8) else {
                    throw Malformed(
                        at: "token \(id)",
                        "is '\(JSONError.excerpt(text))', but '\(JSONError.excerpt(String(decoding: piece.spelling, as: UTF8.self)))' in tokenizer.model",
                        hint: "tokenizer.json and tokenizer.model belong to different models")
                }
                append(text, piece.type == .userDefined ? .normal : TokenType(rawValue: piece.type.rawValue) ?? .normal, piece.score)
            } else {
                append("[PAD\(id)]", .unused, Self.fillingScore)
            }
        }
        let missing = (UInt8.min...UInt8.max).first { source.parts.vocabulary.id(of: Decoding.byteToken($0)) == nil }
        if let missing {
            remarks.append(
                "the vocabulary has no token '\(Decoding.byteToken(missing))': llama.cpp stops at characters that it does not know")
        }
    }

    /// Of a token that is not added, by its spelling.
    private func ownType(_ text: String) -> TokenType {
        if text == source.unknown { return .unknown }
        return Self.isByte(text) ? .byte : .normal
    }

    private static func isByte(_ text: String) -> Bool {
        text.utf8.count == 6 && text.hasPrefix("<0x") && UInt8(text.dropFirst(3).dropLast(), radix: 16).map(Decoding.byteToken) == text
    }

    private func madeScores() throws(Malformed) -> [Float] {
        let isPiece = (0..<rowCount).map { id in
            added[TokenID(id)] == nil && spelling(id).map { ownType($0) == .normal } ?? false
        }
        return try PieceScores.scores(of: source.merges, source.parts, isPiece: isPiece)
    }
}
