/// Which two neighbouring tokens become one, and how urgently: a lower rank goes first.
struct MergeTable: Sendable {
    /// A merge as one number: rank in the high half, so that numbers compare as ranks do, the new token in the low half.
    typealias Entry = UInt64

    /// Larger than every merge.
    static let none: Entry = IntegerTable.missing

    /// Where every way to cut a token in two is tried, that takes the square of its length in bytes: so many for all tokens
    /// together. Real vocabularies take less than ten million.
    static let cuttingLimit = 1 << 30

    private var table = IntegerTable()

    /// Of two merges of the same pair, the later one counts, as in the tokenizers library.
    mutating func add(_ left: TokenID, _ right: TokenID, rank: Int32, result: TokenID) {
        table[Self.key(left, right)] = Entry(UInt32(bitPattern: rank)) << 32 | Entry(UInt32(bitPattern: result))
    }

    /// The merge of a pair, or `none`.
    func entry(_ left: TokenID, _ right: TokenID) -> Entry { table[Self.key(left, right)] }

    static func rank(_ entry: Entry) -> UInt64 { entry >> 32 }

    static func result(_ entry: Entry) -> TokenID { TokenID(truncatingIfNeeded: entry) }

    private static func key(_ left: TokenID, _ right: TokenID) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }
}
