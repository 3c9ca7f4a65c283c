/// Emphasis on a terminal; every function gives its text back unchanged where there is to be no colour.
package struct Style: Sendable {
    /// What can be done to a piece of text; the raw value is the SGR parameter of ECMA-48.
    package enum Emphasis: Int, Sendable {
        case plain = 0, bold = 1, dim = 2, red = 31, green = 32, yellow = 33
    }

    package let isEnabled: Bool

    package init(isEnabled: Bool) {
        self.isEnabled = isEnabled
    }

    package func apply(_ emphasis: Emphasis, _ text: String) -> String {
        isEnabled && emphasis != .plain && !text.isEmpty ? "\u{1B}[\(emphasis.rawValue)m\(text)\u{1B}[0m" : text
    }

    package func bold(_ text: String) -> String { apply(.bold, text) }
    package func dim(_ text: String) -> String { apply(.dim, text) }
    package func red(_ text: String) -> String { apply(.red, text) }
    package func green(_ text: String) -> String { apply(.green, text) }
    package func yellow(_ text: String) -> String { apply(.yellow, text) }
}
