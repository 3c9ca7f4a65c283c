/// The value of one option, checked against the option's kind.
package enum OptionValue: Equatable, Sendable {
    /// A flag has no value; being there is all it says.
    case present
    case text(String)
    case integer(Int)
    case number(Double)
    /// In bytes.
    case byteCount(Int)
}
