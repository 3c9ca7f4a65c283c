/// What goes in front of a piece of text that does not begin with it.
enum TextPrefix: Hashable, Sendable {
    /// Nothing.
    case none
    /// Before every piece between added tokens.
    case always([UInt8])
    /// Only at the very beginning of the text.
    case first([UInt8])

    /// - Parameter isFirst: whether the piece begins the text.
    func apply(to piece: [UInt8], isFirst: Bool, continues: Bool) -> [UInt8] {
        let prefix: [UInt8]
        switch self {
        case .none: return piece
        case .always(let bytes): prefix = bytes
        case .first(let bytes):
            guard isFirst else { return piece }
            prefix = bytes
        }
        return piece.isEmpty || continues || piece.starts(with: prefix) ? piece : prefix + piece
    }
}
