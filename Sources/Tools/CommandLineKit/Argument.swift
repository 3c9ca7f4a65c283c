/// A positional argument as data.
package struct Argument: Sendable {
    /// How many command line words it takes.
    package enum Cardinality: Sendable {
        case one, optional, oneOrMore, zeroOrMore

        var isRequired: Bool { self == .one || self == .oneOrMore }
        var isMany: Bool { self == .oneOrMore || self == .zeroOrMore }
    }

    /// Lower case; help shows it in capitals.
    package let name: String
    package let cardinality: Cardinality
    /// Whether it names a file or folder, for completions and so that an empty word is refused.
    package let isPath: Bool
    /// Lower case, no full stop.
    package let help: String

    package init(_ name: String, _ cardinality: Cardinality = .one, isPath: Bool = true, help: String) {
        self.name = name
        self.cardinality = cardinality
        self.isPath = isPath
        self.help = help
    }

    /// As in a usage line: `INPUT`, `[INPUT]`, `INPUT...`, `[INPUT...]`.
    var spelling: String {
        switch cardinality {
        case .one: name.uppercased()
        case .optional: "[\(name.uppercased())]"
        case .oneOrMore: "\(name.uppercased())..."
        case .zeroOrMore: "[\(name.uppercased())...]"
        }
    }
}
