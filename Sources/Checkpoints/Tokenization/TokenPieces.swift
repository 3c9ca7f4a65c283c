/// The bytes of every token, by id.
struct TokenPieces: Sendable {
    private var bytes: [UInt8] = []
    /// Token `id` begins at `starts[id]` and ends before `starts[id + 1]`.
    private var starts: [Int] = [0]

    init(_ parts: TokenizerParts) {
        let added = Set(parts.addedTokens.map(\.id))
        for id in 0..<TokenID(parts.vocabulary.idCount) {
            if let spelling = parts.vocabulary.spelling(of: id) {
                bytes += parts.decoding.bytes(of: spelling, isAdded: added.contains(id))
            }
            starts.append(bytes.count)
        }
    }

    /// Empty for an id that no token has.
    subscript(id: TokenID) -> ArraySlice<UInt8> {
        guard id >= 0, Int(id) + 1 < starts.count else { return [] }
        return bytes[starts[Int(id)]..<starts[Int(id) + 1]]
    }
}
