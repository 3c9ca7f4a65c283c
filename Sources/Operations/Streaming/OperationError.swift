/// A request that cannot be met as it was made: nothing is wrong with the files, or not with one alone.
package struct OperationError: Error, Hashable, Sendable {
    package let message: String
    package let hint: String?

    package init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }
}
