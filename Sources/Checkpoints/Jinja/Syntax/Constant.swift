/// A literal.
enum Constant: Hashable, Sendable {
    case none
    case bool(Bool)
    case integer(Int)
    case double(Double)
    /// UTF-8: to Swift, an accent beside its letter is the letter with the accent.
    case string([UInt8])
}
