import ByteIO

/// A SentencePiece tokenizer.model with byte pair encoding, as Llama 2 and Mistral have it.
///
///     ModelProto       1 pieces, repeated SentencePiece | 2 trainer_spec | 3 normalizer_spec
///     SentencePiece    1 piece, string | 2 score, float | 3 type, enum
///     TrainerSpec      3 model_type, enum: 2 is BPE | 35 byte_fallback, bool | 41 bos_id | 42 eos_id
///     NormalizerSpec   2 precompiled_charsmap, bytes | 3 add_dummy_prefix | 4 remove_extra_whitespaces | 5 escape_whitespaces
///
/// The index of a piece is its id. Two neighbours merge where their concatenation is a piece; the one of higher score first.
struct SentencePieceModel {
    enum PieceType: Int {
        case normal = 1
        case unknown = 2
        case control = 3
        case userDefined = 4
        case unused = 5
        case byte = 6
    }

    private(set) var pieces: [(spelling: [UInt8], score: Float, type: PieceType)] = []
    /// `UNIGRAM` where the file does not say.
    private var modelType = 1
    private var beginningID = 1
    private var endID = 2
    private var fallsBackToBytes = false
    private var hasCharacterMap = false
    private var addsPrefix = true
    private var removesSpaces = true
    private var escapesSpaces = true

    init(_ bytes: [UInt8]) throws(Malformed) {
        // tiktoken's files, also named tokenizer.model, are lines of base64 and a rank.
        if bytes.first.map({ $0 != 0x0a }) ?? true {
            throw Malformed(
                "does not begin like a SentencePiece model", hint: "where a tokenizer.json belongs to the model, keep that beside it")
        }
        do {
            var fields = ProtobufReader(bytes[...], origin: 0, message: "ModelProto")
            while let field = try fields.next() {
                switch field.number {
                case 1: try addPiece(field)
                case 2: try readTrainer(field.fields(of: "TrainerSpec"))
                case 3: try readNormalizer(field.fields(of: "NormalizerSpec"))
                default: break
                }
            }
        } catch { throw Malformed(error) }
        guard modelType == 2 else {
            let names = [1: "UNIGRAM", 3: "WORD", 4: "CHAR"]
            throw Malformed(at: "model_type", "is \(names[modelType] ?? "\(modelType)"), which is not read; BPE is")
        }
        guard !hasCharacterMap else {
            throw Malformed(
                at: "normalizer_spec", "has a precompiled_charsmap, which is not read", hint: "a tokenizer.json may say the same")
        }
        guard escapesSpaces else { throw Malformed(at: "normalizer_spec", "does not escape spaces, which is not read") }
    }

    private mutating func addPiece(_ field: ProtobufField) throws(ByteReader.Failure) {
        guard pieces.count < Vocabulary.idLimit else {
            throw ByteReader.Failure(offset: field.offset, "there are more than \(Vocabulary.idLimit) pieces")
        }
        var fields = try field.fields(of: "SentencePiece")
        var (spelling, score, type): ([UInt8], Float, PieceType) = ([], 0, .normal)
        while let member = try fields.next() {
            guard (1...3).contains(member.number) else { continue }
            try fields.requireFirst(member)
            switch member.number {
            case 1: spelling = Array(try member.bytes())
            case 2: score = Float(bitPattern: try member.fixed32())
            default:
                let stated = try member.int32("type")
                guard let known = PieceType(rawValue: stated), known != .unused else {
                    throw ByteReader.Failure(offset: member.offset, "piece \(pieces.count) has type \(stated), which is not read")
                }
                type = known
            }
        }
        guard String(validating: spelling, as: UTF8.self) != nil, !spelling.isEmpty else {
            throw ByteReader.Failure(offset: field.offset, "piece \(pieces.count) is empty or not UTF-8")
        }
        guard score.isFinite else { throw ByteReader.Failure(offset: field.offset, "piece \(pieces.count) has the score \(score)") }
        pieces.append((spelling, score, type))
    }

    private mutating func readTrainer(_ reader: ProtobufReader) throws(ByteReader.Failure) {
        var fields = reader
        while let field = try fields.next() {
            switch field.number {
            case 3: modelType = try field.int32("model_type")
            case 35: fallsBackToBytes = try field.int64() != 0
            case 41: beginningID = try field.int64()
            case 42: endID = try field.int64()
            default: break
            }
        }
    }

    private mutating func readNormalizer(_ reader: ProtobufReader) throws(ByteReader.Failure) {
        var fields = reader
        while let field = try fields.next() {
            switch field.number {
            case 2: hasCharacterMap = try !field.bytes().isEmpty
            case 3: addsPrefix = try field.int64() != 0
            case 4: removesSpaces = try field.int64() != 0
            case 5: escapesSpaces = try field.int64() != 0
            default: break
            }
        }
    }

    /// What the files beside the model say; where they do not, its own BOS and EOS.
    func completed(_ roles: TokenRoles) -> TokenRoles {
        func piece(_ id: Int) -> String? {
            guard pieces.indices.contains(id), pieces[id].type == .control else { return nil }
            return String(decoding: pieces[id].spelling, as: UTF8.self)
        }
        return roles.completed(beginning: piece(beginningID), end: piece(endID))
    }

    /// - Parameter roles: may add tokens, and say that text after a special token gets no space in front (`legacy` false).
    func parts(_ roles: TokenRoles) throws(Malformed) -> TokenizerParts {
        var vocabulary = Vocabulary()
        for (id, piece) in pieces.enumerated() { try vocabulary.add(piece.spelling, id: id) }
        var addedTokens: [AddedToken] = []
        for (id, piece) in pieces.enumerated() where [.unknown, .control, .userDefined].contains(piece.type) {
            guard piece.spelling.count <= AddedToken.byteCountLimit else {
                throw Malformed(at: "piece \(id)", "has \(piece.spelling.count) bytes, but at most \(AddedToken.byteCountLimit) are read")
            }
            addedTokens.append(AddedToken(content: piece.spelling, id: TokenID(id), isSpecial: piece.type != .userDefined))
        }
        let stated = Set(roles.addedTokens.map(\.id))
        addedTokens = addedTokens.filter { !stated.contains($0.id) } + roles.addedTokens
        let unknown = pieces.firstIndex { $0.type == .unknown }.map { TokenID($0) }
        let fallback = CharacterFallback(vocabulary, fallsBackToBytes: fallsBackToBytes, unknown: unknown, fusesUnknown: true)
        guard fallback.isComplete else {
            throw Malformed("has neither a piece for every byte nor one for what is unknown: text that it does not know would vanish")
        }
        let merges = mergeTable(vocabulary)
        for token in roles.addedTokens { try vocabulary.addIfMissing(token) }
        var parts = TokenizerParts(
            vocabulary: vocabulary, merges: merges, alphabet: .characters(fallback), addedTokens: addedTokens,
            decoding: .marks(hiddenSpaceCount: addsPrefix ? 1 : 0))
        if removesSpaces { parts.normalizations.append(.spaceRemoval) }
        parts.normalizations.append(.replacement(of: Decoding.space, with: Decoding.mark))
        if addsPrefix {
            if roles.isLegacy ?? true { parts.normalizations.append(.prefix(Decoding.mark)) } else { parts.prefix = .first(Decoding.mark) }
        }
        parts.splitWhereNothingMerges()
        try parts.frame(roles, addsBeginning: roles.addsBeginning ?? (roles.beginning != nil))
        return parts
    }

    /// Every way to make a piece of two others. Equal scores have equal ranks: then the leftmost pair goes first.
    private func mergeTable(_ vocabulary: Vocabulary) -> MergeTable {
        var ranks: [Float: Int32] = [:]
        for (rank, score) in Set(pieces.map(\.score)).sorted(by: >).enumerated() { ranks[score] = Int32(rank) }
        var table = MergeTable()
        for (id, piece) in pieces.enumerated() where piece.type == .normal && piece.spelling.count <= Self.mergedByteCountLimit {
            for middle in piece.spelling.indices.dropFirst() where piece.spelling[middle] & 0xc0 != 0x80 {
                guard let left = vocabulary.id(of: piece.spelling.span, from: 0, to: middle), isMergeable(left),
                    let right = vocabulary.id(of: piece.spelling.span, from: middle, to: piece.spelling.count), isMergeable(right)
                else { continue }
                table.add(left, right, rank: ranks[piece.score] ?? 0, result: TokenID(id))
            }
        }
        return table
    }

    /// The trainer makes none longer than 16 characters unless told to; all ways to cut one take the square of its length.
    private static let mergedByteCountLimit = 4096

    private func isMergeable(_ id: TokenID) -> Bool { pieces[Int(id)].type == .normal }
}
