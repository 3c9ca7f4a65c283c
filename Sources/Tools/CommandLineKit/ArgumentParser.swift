/// Turns command line words into `ParsedArguments`, or says which word is wrong. No I/O.
///
/// What a word is follows from its shape alone: one that starts with a dash and something other than a digit
/// is an option, up to `--`. So `-o --force` is a missing value and never a file named `--force`, `-0.5` is a value,
/// `-` is a word, and adding an option to a tool never changes what an older command line means.
struct ArgumentParser {
    private let tool: Tool
    private let command: Command
    private var occurrences: [ParsedArguments.Occurrence] = []
    private var words: [String] = []

    init(tool: Tool, command: Command) {
        self.tool = tool
        self.command = command
    }

    /// Whether a word has the shape of an option.
    static func isOption(_ word: String) -> Bool {
        let bytes = Array(word.utf8.prefix(3))
        guard bytes.count > 1, bytes[0] == UInt8(ascii: "-") else { return false }
        let first = bytes[1] == UInt8(ascii: ".") && bytes.count > 2 ? bytes[2] : bytes[1]
        return !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first)
    }

    mutating func parse(_ line: [String]) throws(UsageError) -> ParsedArguments {
        var rest = line[...]
        while let word = rest.popFirst() {
            if word == "--" {
                words += rest
                break
            } else if Self.isOption(word) {
                try parseOption(word, &rest)
            } else {
                words.append(word)
            }
        }
        let assigned = try assignWords()
        for option in command.options where option.isRequired && !occurrences.contains(where: { $0.name == option.name }) {
            throw UsageError("missing option \(option.spelling)", hint: usageHint)
        }
        return ParsedArguments(command: command, occurrences: occurrences, words: assigned)
    }

    private mutating func parseOption(_ word: String, _ rest: inout ArraySlice<String>) throws(UsageError) {
        // By scalars: a value may begin with a combining character, which to Swift is one character with the sign before it.
        let scalars = word.unicodeScalars
        let isLong = scalars.starts(with: "--".unicodeScalars)
        let equals = isLong ? scalars.firstIndex(of: "=") : nil
        let spelling = String(scalars[..<(equals ?? scalars.endIndex)])
        var attached = equals.map { String(scalars[scalars.index(after: $0)...]) }
        let found = command.options.first { isLong ? "--\($0.name)" == spelling : $0.short.map { "-\($0)" } == spelling }
        guard let option = found else { throw unknownOption(spelling) }
        if !option.isRepeatable, occurrences.contains(where: { $0.name == option.name }) {
            throw UsageError("\(spelling) is given twice, but can be given only once", hint: helpHint)
        }
        guard option.kind.takesValue else {
            if let attached { throw UsageError("\(spelling) takes no value, not '\(attached)'", hint: helpHint) }
            occurrences.append(.init(name: option.name, value: .present))
            return
        }
        if attached == nil, let next = rest.first, !Self.isOption(next), next != "--" {
            attached = next
            rest.removeFirst()
        }
        guard let attached else { throw missingValue(option, spelling, next: rest.first) }
        occurrences.append(.init(name: option.name, value: try option.value(of: attached, spelling: spelling)))
    }

    /// Deals the words out to the declared arguments from the left; each gets what it requires first.
    private func assignWords() throws(UsageError) -> [String: [String]] {
        let required = command.arguments.filter(\.cardinality.isRequired)
        guard words.count >= required.count else {
            throw UsageError("missing argument \(required[words.count].name.uppercased())", hint: usageHint)
        }
        var assigned: [String: [String]] = [:]
        var spare = words.count - required.count
        var rest = words[...]
        for argument in command.arguments {
            let extra = argument.cardinality.isMany ? spare : argument.cardinality == .optional ? min(spare, 1) : 0
            spare -= extra
            let taken = rest.prefix((argument.cardinality.isRequired ? 1 : 0) + extra)
            rest = rest.dropFirst(taken.count)
            if argument.isPath, taken.contains("") {
                throw UsageError("argument \(argument.name.uppercased()) is empty", hint: "is a shell variable unset?")
            }
            assigned[argument.name] = Array(taken)
        }
        if let unexpected = rest.first { throw UsageError("unexpected argument '\(unexpected)'", hint: usageHint) }
        return assigned
    }

    private func unknownOption(_ spelling: String) -> UsageError {
        let message = "unknown option '\(spelling)'"
        let letters = spelling.drop { $0 == "-" }
        if !spelling.hasPrefix("--") {
            if let option = command.options.first(where: { $0.name == letters }) {
                return UsageError(message, hint: "did you mean '--\(option.name)'?")
            }
            if let first = command.options.first(where: { $0.short == letters.first }), letters.count > 1 {
                let words = separated(first, letters.dropFirst())
                return UsageError(message, hint: "one letter each, apart from its value: '\(words)'")
            }
        }
        let names = command.options.map { "--\($0.name)" }
        if letters.count > 1, let nearest = Spelling.nearest(to: "--" + letters, among: names) {
            return UsageError(message, hint: "did you mean '\(nearest)'?")
        }
        return UsageError(message, hint: helpHint)
    }

    /// What `-oFILE` or `-fn` should have been: `-o FILE`, `-f -n`.
    private func separated(_ first: Option, _ letters: Substring) -> String {
        if first.kind.takesValue { return "\(first.spelling.prefix(2)) \(letters.drop { $0 == "=" })" }
        return ([first.spelling] + letters.map { "-\($0)" }).joined(separator: " ")
    }

    private func missingValue(_ option: Option, _ spelling: String, next: String?) -> UsageError {
        let message = "\(spelling) needs a value \(option.placeholder)"
        guard let next, next != "--" else { return UsageError(message, hint: helpHint) }
        return UsageError(
            "\(message), but '\(next)' follows", hint: "a value that starts with a dash is written '--\(option.name)=\(next)'")
    }

    private var helpHint: String { "see '\(tool.invocation(of: command)) --help'" }

    private var usageHint: String { "usage: \(HelpText.usage(tool, command))" }
}
