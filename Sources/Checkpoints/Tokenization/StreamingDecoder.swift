/// Ids to text as they come: what is returned is always whole characters.
///
///     var decoder = StreamingDecoder(tokenizer)
///     for id in generated { print(decoder.append(id), terminator: "") }
///     print(decoder.finish())
package struct StreamingDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let showsSpecialTokens: Bool
    /// Spaces still to be left out.
    private var hiddenSpaceCount: Int
    /// The beginning of a character whose end has not come yet: at most three bytes.
    private var pending: [UInt8] = []

    /// - Parameters:
    ///   - beginsText: whether the ids are a text from its beginning; else they go on with one, and keep the space in front.
    ///   - showsSpecialTokens: whether `</s>` and its like are part of the text.
    package init(_ tokenizer: Tokenizer, beginsText: Bool = false, showsSpecialTokens: Bool = false) {
        self.tokenizer = tokenizer
        self.showsSpecialTokens = showsSpecialTokens
        hiddenSpaceCount = beginsText ? tokenizer.hiddenSpaceCount : 0
    }

    /// The characters that a token completes; empty where it completes none. Bytes that are no UTF-8 become U+FFFD.
    package mutating func append(_ id: TokenID) -> String {
        guard showsSpecialTokens || !tokenizer.isSpecial(id) else { return "" }
        for byte in tokenizer.bytes(of: id) {
            if hiddenSpaceCount > 0 {
                hiddenSpaceCount = byte == UInt8(ascii: " ") ? hiddenSpaceCount - 1 : 0
                if byte == UInt8(ascii: " ") { continue }
            }
            pending.append(byte)
        }
        let whole = pending.count - Self.incompleteCount(at: pending)
        defer { pending.removeFirst(whole) }
        return String(decoding: pending[..<whole], as: UTF8.self)
    }

    /// What is left: U+FFFD where a character has begun and not ended.
    package mutating func finish() -> String {
        defer { pending = [] }
        return String(decoding: pending, as: UTF8.self)
    }

    /// Bytes at the end that begin a character without ending it. Decoding may be cut before the first byte of a
    /// character, whatever stands around it: the result is the same.
    private static func incompleteCount(at bytes: [UInt8]) -> Int {
        for count in 1...3 where count <= bytes.count {
            let byte = bytes[bytes.count - count]
            if byte < 0x80 || byte > 0xf4 { return 0 }
            if byte >= 0xc0 {
                let needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
                return needed > count ? count : 0
            }
        }
        return 0
    }
}
