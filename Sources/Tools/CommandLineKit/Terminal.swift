import Platform

/// What is known about where a stream goes.
package struct Terminal: Sendable {
    package let isTerminal: Bool
    /// Whether `--color auto` means colour.
    package let prefersColor: Bool
    private let currentWidth: @Sendable () -> Int

    /// - Parameter width: asked anew for every line that has to fit, because windows are resized.
    package init(isTerminal: Bool, prefersColor: Bool = false, width: @escaping @Sendable () -> Int = { 80 }) {
        self.isTerminal = isTerminal
        self.prefersColor = prefersColor
        currentWidth = width
    }

    /// A file, a pipe, nothing.
    package static let none = Terminal(isTerminal: false)

    /// Looks at an open descriptor and at `NO_COLOR` (no-color.org: set and not empty), `TERM` and `COLUMNS`.
    init(descriptor: Int32) {
        isTerminal = isatty(descriptor) == 1
        prefersColor = isTerminal && Self.variable("NO_COLOR") == nil && Self.variable("TERM") ?? "dumb" != "dumb"
        currentWidth = { Self.width(of: descriptor) }
    }

    /// In columns; at least 1.
    package var width: Int { max(1, currentWidth()) }

    private static func width(of descriptor: Int32) -> Int {
        Machine.columnCount(ofTerminal: descriptor) ?? variable("COLUMNS").flatMap { Int($0) } ?? 80
    }

    private static func variable(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }
}
