/// Tokens as their file spells them, and their ids.
struct Vocabulary: Sendable {
    /// Ids stay below this: sixteen times the largest vocabulary known. A table by id is made of what a file says.
    static let idLimit = 1 << 22

    private var spellings = ByteStringTable()
    /// By number of the spelling.
    private var ids: [TokenID] = []
    /// Number of the spelling by id; -1 where no token has the id.
    private var indexes: [Int32] = []

    /// One more than the highest id.
    var idCount: Int { indexes.count }

    mutating func add(_ spelling: [UInt8], id: Int) throws(Malformed) {
        let shown = String(decoding: spelling.prefix(100), as: UTF8.self)
        guard (0..<Self.idLimit).contains(id) else {
            throw Malformed(at: "token '\(shown)'", "has the id \(id), which is not between 0 and \(Self.idLimit - 1)")
        }
        if let other = self.spelling(of: TokenID(id)) {
            throw Malformed(at: "token '\(shown)'", "has the id \(id), which '\(String(decoding: other.prefix(100), as: UTF8.self))' has")
        }
        guard let index = spellings.add(spelling) else {
            throw Malformed(at: "token '\(shown)'", "stands in the vocabulary for the second time")
        }
        ids.append(TokenID(id))
        while indexes.count <= id { indexes.append(-1) }
        indexes[id] = Int32(index)
    }

    /// Tokens that the vocabulary has under another id or another spelling too, as `list` found them.
    private(set) var repeats: [String] = []

    var spellingCount: Int { spellings.count }

    /// As `add`, for files in which a token may stand twice: of two ids of a spelling the later one counts, and two spellings of an
    /// id both have it, of which the first is shown. So does the tokenizers library, but for what is shown.
    mutating func list(_ spelling: [UInt8], id: Int) throws(Malformed) {
        let shown = String(decoding: spelling.prefix(100), as: UTF8.self)
        if let index = spellings.index(of: spelling), (0..<Self.idLimit).contains(id) {
            guard ids[index] != id else { return }
            repeats.append("'\(shown)' has the ids \(ids[index]) and \(id)")
            if indexes[Int(ids[index])] == index { indexes[Int(ids[index])] = -1 }
            ids[index] = TokenID(id)
            while indexes.count <= id { indexes.append(-1) }
            if indexes[id] < 0 { indexes[id] = Int32(index) }
        } else if (0..<Self.idLimit).contains(id), let other = self.spelling(of: TokenID(id)) {
            repeats.append("'\(String(decoding: other.prefix(100), as: UTF8.self))' and '\(shown)' have the id \(id)")
            spellings.add(spelling)
            ids.append(TokenID(id))
        } else {
            try add(spelling, id: id)
        }
    }

    /// Adds a spelling that is shown for its id from now on, where another token may have the id too.
    mutating func addOver(_ spelling: [UInt8], id: Int) throws(Malformed) {
        guard (0..<Self.idLimit).contains(id), self.spelling(of: TokenID(id)) != nil else { return try add(spelling, id: id) }
        guard let index = spellings.add(spelling) else { return }
        ids.append(TokenID(id))
        indexes[id] = Int32(index)
    }

    func id(of spelling: [UInt8]) -> TokenID? { spellings.index(of: spelling).map { ids[$0] } }

    func id(of spelling: String) -> TokenID? { id(of: Array(spelling.utf8)) }

    /// The id of the token that is spelled `text[start..<end]`.
    func id(of text: Span<UInt8>, from start: Int, to end: Int) -> TokenID? {
        spellings.index(of: text, from: start, to: end).map { ids[$0] }
    }

    /// How the file spells a token; nil for an id that no token has.
    func spelling(of id: TokenID) -> ArraySlice<UInt8>? {
        guard indexes.indices.contains(Int(id)), indexes[Int(id)] >= 0 else { return nil }
        return spellings.key(Int(indexes[Int(id)]))
    }
}

extension Vocabulary {
    /// The tokens by the bytes that they stand for in GPT-2's alphabet; those outside of it are left out.
    func decoded() throws(Malformed) -> Vocabulary {
        var result = Vocabulary()
        for id in 0..<TokenID(idCount) {
            guard let spelling = spelling(of: id), let bytes = ByteAlphabet.bytes(of: spelling) else { continue }
            try result.list(bytes, id: Int(id))
        }
        return result
    }
}
