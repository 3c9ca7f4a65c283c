/// What an option takes, and so what its value is checked against before anything is opened.
package enum OptionKind: Equatable, Sendable {
    case flag
    /// Any text, also empty.
    case text
    /// Text that names a file or folder: never empty, completed by shells. Not looked at while parsing.
    case path
    case integer(ClosedRange<Int>)
    /// Finite; the bounds may be infinite.
    case number(ClosedRange<Double>)
    /// An amount of memory or disk: `4096`, `512M`, `1.5GiB`, `2GB`.
    case byteCount
    case choice([String])

    var takesValue: Bool { self != .flag }
}
