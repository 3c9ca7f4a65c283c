/// Text that is no JSON, or not the JSON that was asked for.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Byte offset in the text.
    package let offset: Int
    package let message: String

    package init(offset: Int, _ message: String) {
        self.offset = offset
        self.message = message
    }

    package var description: String { "byte \(offset): \(message)" }
}
