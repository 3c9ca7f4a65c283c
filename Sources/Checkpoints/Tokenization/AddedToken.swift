/// A token that is found in the text as a whole, before anything is cut or merged.
struct AddedToken: Hashable, Sendable {
    /// Longer ones are refused: looking for them takes this many steps at every byte of the text.
    static let byteCountLimit = 1024

    let content: [UInt8]
    var id: TokenID
    /// Control tokens like the end of the text: left out where text is shown.
    var isSpecial = true
    /// White space before it belongs to it.
    var stripsLeft = false
    /// White space after it belongs to it.
    var stripsRight = false
    /// Not found inside a word.
    var isSingleWord = false
    /// Looked for in the normalized text, not in the text as it came.
    var isNormalized = false
}
