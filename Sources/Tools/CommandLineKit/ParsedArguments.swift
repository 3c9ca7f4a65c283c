/// A command line that fits its command's declaration. Nothing has been opened or looked up yet.
///
/// Asking for a name that the command does not declare, or for another kind than it declares, is a mistake
/// in the tool and traps. Accessors with `always:` are for what is required or has a default.
package struct ParsedArguments: Sendable {
    struct Occurrence: Equatable {
        var name: String
        var value: OptionValue
    }

    private let command: Command
    /// In command line order, which is the order of precedence for rules such as `--keep` and `--quantize`.
    private let occurrences: [Occurrence]
    private let words: [String: [String]]

    init(command: Command, occurrences: [Occurrence], words: [String: [String]]) {
        self.command = command
        self.occurrences = occurrences
        self.words = words
    }

    /// Whether the option stands on the command line, whatever its default.
    package func isGiven(_ name: String) -> Bool {
        _ = option(name)
        return occurrences.contains { $0.name == name }
    }

    package func flag(_ name: String) -> Bool {
        precondition(!option(name).kind.takesValue, "--\(name) is not a flag")
        return isGiven(name)
    }

    /// The value of a text, path or choice option.
    package func string(_ name: String) -> String? {
        value(name).map { value in
            guard case .text(let text) = value else { preconditionFailure("--\(name) is not text") }
            return text
        }
    }

    package func integer(_ name: String) -> Int? {
        value(name).map { value in
            guard case .integer(let integer) = value else { preconditionFailure("--\(name) is not an integer") }
            return integer
        }
    }

    package func number(_ name: String) -> Double? {
        value(name).map { value in
            guard case .number(let number) = value else { preconditionFailure("--\(name) is not a number") }
            return number
        }
    }

    /// In bytes.
    package func byteCount(_ name: String) -> Int? {
        value(name).map { value in
            guard case .byteCount(let count) = value else { preconditionFailure("--\(name) is not a byte count") }
            return count
        }
    }

    package func string(always name: String) -> String { definite(name, string(name)) }
    package func integer(always name: String) -> Int { definite(name, integer(name)) }
    package func number(always name: String) -> Double { definite(name, number(name)) }
    package func byteCount(always name: String) -> Int { definite(name, byteCount(name)) }

    /// Every value of a repeatable text, path or choice option, in command line order.
    package func strings(_ name: String) -> [String] {
        ordered([name]).map(\.value)
    }

    /// The values of several repeatable text, path or choice options in their common command line order:
    /// what first-match-wins rules need.
    package func ordered(_ names: [String]) -> [(name: String, value: String)] {
        for name in names { precondition(option(name).isRepeatable, "--\(name) is not repeatable") }
        return occurrences.filter { names.contains($0.name) }.map { occurrence in
            guard case .text(let text) = occurrence.value else { preconditionFailure("--\(occurrence.name) is not text") }
            return (occurrence.name, text)
        }
    }

    /// The word of an argument that takes at most one; nil where it is optional and left out.
    package func positional(_ name: String) -> String? {
        precondition(!argument(name).cardinality.isMany, "argument \(name) takes many words")
        return positionals(name).first
    }

    /// The word of an argument that takes exactly one.
    package func positional(always name: String) -> String {
        guard let word = positional(name) else { preconditionFailure("argument \(name) may be left out") }
        return word
    }

    /// The words of an argument, in command line order.
    package func positionals(_ name: String) -> [String] {
        _ = argument(name)
        return words[name] ?? []
    }

    private func value(_ name: String) -> OptionValue? {
        let option = option(name)
        precondition(option.kind.takesValue && !option.isRepeatable, "--\(name) does not have one value")
        return occurrences.first { $0.name == name }?.value ?? option.defaultValue
    }

    private func option(_ name: String) -> Option {
        guard let option = command.options.first(where: { $0.name == name }) else {
            preconditionFailure("--\(name) is not declared")
        }
        return option
    }

    private func argument(_ name: String) -> Argument {
        guard let argument = command.arguments.first(where: { $0.name == name }) else {
            preconditionFailure("argument \(name) is not declared")
        }
        return argument
    }

    private func definite<Value>(_ name: String, _ value: Value?) -> Value {
        guard let value else { preconditionFailure("--\(name) is neither required nor has a default value") }
        return value
    }
}
