/// Tokens in the order in which they merge: two neighbours become one where their bytes together are a token, that of lowest rank first.
enum RankedTokens {
    /// Every way to cut a token into two others, token by token.
    ///
    /// - Parameters:
    ///   - tokens: by rank.
    ///   - words: the tokens and their ids.
    static func forEachCut(
        of tokens: ArraySlice<[UInt8]>, in words: Vocabulary, _ body: (_ rank: Int, _ left: TokenID, _ right: TokenID) -> Void
    ) throws(Malformed) {
        var steps = 0
        for (rank, bytes) in tokens.enumerated() {
            guard bytes.count <= 1 << 15, steps <= MergeTable.cuttingLimit else {
                throw Malformed(
                    at: "token \(rank)",
                    "has \(bytes.count) bytes, and with those before it takes too long to be cut up: at most "
                        + "\(1 << 15) are read, and \(MergeTable.cuttingLimit) for the squares of all lengths together")
            }
            steps += bytes.count * bytes.count
        }
        for (rank, bytes) in tokens.enumerated() where bytes.count > 1 {
            for middle in bytes.indices.dropFirst() {
                guard let left = words.id(of: bytes.span, from: 0, to: middle),
                    let right = words.id(of: bytes.span, from: middle, to: bytes.count)
                else { continue }
                body(rank, left, right)
            }
        }
    }

    /// The same as merges of a tokenizer.json, in GPT-2's alphabet of bytes: by rank, and of one token by the ids of its parts.
    static func merges(
        of tokens: ArraySlice<[UInt8]>, in words: Vocabulary
    ) throws(Malformed) -> [(left: String, right: String)] {
        var cuts: [(rank: Int, left: TokenID, right: TokenID)] = []
        try forEachCut(of: tokens, in: words) { rank, left, right in cuts.append((rank, left, right)) }
        cuts.sort { ($0.rank, $0.left, $0.right) < ($1.rank, $1.left, $1.right) }
        return cuts.map { cut in
            func spelling(_ id: TokenID) -> String { self.spelling(of: words.spelling(of: id) ?? []) }
            return (spelling(cut.left), spelling(cut.right))
        }
    }

    /// Bytes in GPT-2's alphabet.
    static func spelling(of bytes: some Sequence<UInt8>) -> String {
        String(decoding: bytes.flatMap(ByteAlphabet.spelling(of:)), as: UTF8.self)
    }
}
