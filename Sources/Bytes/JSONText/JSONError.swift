/// Text that is no JSON, or not the JSON that was asked for.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Byte offset in the text.
    package let offset: Int
    package let message: String

    package init(offset: Int, _ message: String) {
        self.offset = offset
        self.message = message
    }

    /// A piece of the text as messages show it: never longer than a line or two, however long the text makes it.
    package static func excerpt(_ text: String) -> String {
        let limit = 200
        return text.unicodeScalars.count <= limit ? text : String(text.unicodeScalars.prefix(limit)) + "..."
    }

    package var description: String { "byte \(offset): \(message)" }
}
