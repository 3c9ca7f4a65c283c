/// Why a template could not be parsed or rendered, and where in it.
package struct TemplateError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// The text is no template.
        case syntax
        /// The text is a template as jinja2 has them, but uses what this library leaves out.
        case unsupported
        /// An undefined value was used as if it were there.
        case undefined
        /// An operation on values that do not have it; what Python calls TypeError, ValueError and so on.
        case value
        /// What the sandbox of chat templates forbids.
        case security
        /// One of `TemplateLimits` was reached.
        case limit
        /// The template itself says no: `raise_exception`. The message is its author's, and meant for the user.
        case raised
    }

    package let kind: Kind
    /// Counted from 1.
    package let line: Int
    /// Counted from 1, in Unicode scalars.
    package let column: Int
    package let message: String

    package init(kind: Kind, line: Int, column: Int, message: String) {
        self.kind = kind
        self.line = line
        self.column = column
        self.message = message
    }

    /// Whether the template called `raise_exception`.
    package var isRaisedByTemplate: Bool { kind == .raised }

    package var description: String { "line \(line), column \(column): \(message)" }
}
