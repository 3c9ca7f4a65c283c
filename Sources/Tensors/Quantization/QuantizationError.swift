/// Settings or a quant state that cannot be. Knows no file: whoever read the values adds path and place.
package struct QuantizationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Lower case, with the offending number, no full stop.
    package let message: String

    package init(_ message: String) { self.message = message }

    package var description: String { message }
}
