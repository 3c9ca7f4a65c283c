/// A conversation that a template does not write.
package struct PromptError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
    package let hint: String?

    package init(_ description: String, hint: String? = nil) {
        self.description = description
        self.hint = hint
    }
}
