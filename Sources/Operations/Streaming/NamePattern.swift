/// A regular expression for names of tensors, searched for anywhere in the name (`^` and `$` anchor it).
package struct NamePattern: Sendable {
    /// As the user wrote it.
    package let text: String
    // Compiled once and never changed; matching does not write to it.
    nonisolated(unsafe) private let regex: Regex<AnyRegexOutput>

    /// Throws what Swift's `Regex` says of a pattern that is none.
    package init(_ text: String) throws {
        self.text = text
        regex = try Regex(text)
    }

    package func matches(_ name: String) -> Bool { name.firstMatch(of: regex) != nil }
}
