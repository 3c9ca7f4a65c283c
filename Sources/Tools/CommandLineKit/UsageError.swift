/// The command line asks for something that cannot be meant. Ends the tool with `ExitCode.usage`.
///
/// The parser throws it for what it can see without any I/O; a command's own `run` throws it
/// for combinations that only the command knows to be wrong.
package struct UsageError: Explained, Equatable {
    /// Names the argument as it was typed; lower case, no full stop.
    package var message: String
    package var hint: String?

    package init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }

    package var description: String { message }
}
