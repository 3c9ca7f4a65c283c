/// A named option as data: parsing, help, completions and the manual page are all made from it.
package struct Option: Sendable {
    /// Without the dashes: `max-memory`.
    package let name: String
    /// One letter, without the dash.
    package let short: Character?
    package let kind: OptionKind
    /// What stands for the value in help: `FILE`, `N`, `nf4|fp4`. Empty for a flag.
    package let placeholder: String
    /// Lower case, no full stop; unit, range and default are added from the other fields.
    package let help: String
    /// What a value counts: `elements`, `threads`.
    package let unit: String?
    /// What the typed accessors answer when the option is not given.
    package let defaultValue: OptionValue?
    /// The default in words, as help shows it.
    package let defaultText: String?
    package private(set) var isRepeatable = false
    package private(set) var isRequired = false
    /// Whether the usage line names it rather than leaving it to `[options]`.
    package private(set) var isInUsage = false

    private init(
        _ name: String, _ short: Character?, _ kind: OptionKind, _ placeholder: String, _ help: String,
        unit: String? = nil, defaultValue: OptionValue? = nil, defaultText: String? = nil
    ) {
        self.name = name
        self.short = short
        self.kind = kind
        self.placeholder = placeholder
        self.help = help
        self.unit = unit
        self.defaultValue = defaultValue
        self.defaultText = defaultText
    }

    package static func flag(_ name: String, short: Character? = nil, help: String) -> Option {
        Option(name, short, .flag, "", help)
    }

    package static func text(
        _ name: String, short: Character? = nil, _ placeholder: String, default value: String? = nil,
        defaultText: String? = nil, help: String
    ) -> Option {
        Option(
            name, short, .text, placeholder, help, defaultValue: value.map { .text($0) }, defaultText: defaultText ?? value)
    }

    package static func path(
        _ name: String, short: Character? = nil, _ placeholder: String = "FILE", defaultText: String? = nil, help: String
    ) -> Option {
        Option(name, short, .path, placeholder, help, defaultText: defaultText)
    }

    /// - Parameter defaultText: replaces the number in help; alone, it describes a default that the tool works out.
    package static func integer(
        _ name: String, short: Character? = nil, _ placeholder: String = "N", in range: ClosedRange<Int> = 0...Int.max,
        unit: String? = nil, default value: Int? = nil, defaultText: String? = nil, help: String
    ) -> Option {
        Option(
            name, short, .integer(range), placeholder, help, unit: unit, defaultValue: value.map { .integer($0) },
            defaultText: defaultText ?? value.map { String($0) })
    }

    package static func number(
        _ name: String, short: Character? = nil, _ placeholder: String = "X",
        in range: ClosedRange<Double> = -Double.infinity...Double.infinity, unit: String? = nil,
        default value: Double? = nil, defaultText: String? = nil, help: String
    ) -> Option {
        Option(
            name, short, .number(range), placeholder, help, unit: unit, defaultValue: value.map { .number($0) },
            defaultText: defaultText ?? value.map { NumberText.significant($0, digits: 6) })
    }

    package static func byteCount(
        _ name: String, short: Character? = nil, _ placeholder: String = "SIZE", default value: Int? = nil,
        defaultText: String? = nil, help: String
    ) -> Option {
        Option(
            name, short, .byteCount, placeholder, help, defaultValue: value.map { .byteCount($0) },
            defaultText: defaultText ?? value.map { String($0) })
    }

    /// - Parameter placeholder: by default the choices themselves, which then need no list in the help text.
    package static func choice(
        _ name: String, short: Character? = nil, _ choices: [String], placeholder: String? = nil,
        default value: String? = nil, defaultText: String? = nil, help: String
    ) -> Option {
        precondition(value.map(choices.contains) ?? true, "default of --\(name) is not one of its choices")
        return Option(
            name, short, .choice(choices), placeholder ?? choices.joined(separator: "|"), help,
            defaultValue: value.map { .text($0) }, defaultText: defaultText ?? value)
    }

    /// May be given any number of times; order is kept, also across different options (`ParsedArguments.ordered`).
    package func repeatable() -> Option {
        var copy = self
        copy.isRepeatable = true
        return copy
    }

    /// Without it the command line is refused; it stands in the usage line.
    package func required() -> Option {
        var copy = self
        copy.isRequired = true
        copy.isInUsage = true
        return copy
    }

    /// Named in the usage line, in brackets: for the one or two options that everybody needs.
    package func inUsage() -> Option {
        var copy = self
        copy.isInUsage = true
        return copy
    }

    /// `-o FILE`, or `--threads N` where there is no short form.
    var spelling: String {
        let dashed = if let short { "-\(short)" } else { "--\(name)" }
        return placeholder.isEmpty ? dashed : "\(dashed) \(placeholder)"
    }
}
