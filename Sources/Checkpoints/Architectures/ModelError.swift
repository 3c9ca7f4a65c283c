/// Why a model cannot be run as asked: its configuration, its weights, or what is fed to it.
package struct ModelError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Lower case, both numbers, no full stop.
    package var message: String
    /// The next step to take, where there is one.
    package var hint: String?

    package init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }

    package var description: String { message }

    /// The next step where a model computes what is no number.
    package static let damageHint =
        "the weights may be damaged: `verify` compares them with their checksums, `IntegrityCheck` looks for such values"
}
