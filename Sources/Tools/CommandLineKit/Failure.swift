/// A failure that a tool itself found, where no library type says it better. Ends the tool with `ExitCode.failed`.
package struct Failure: Explained, Equatable {
    /// Lower case, no full stop.
    package var message: String
    package var hint: String?

    package init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }

    package var description: String { message }
}
