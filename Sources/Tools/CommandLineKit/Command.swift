/// One thing a tool does: what it takes, as data, and the function that does it.
package struct Command: Sendable {
    /// Does the work. Throws `UsageError` for what cannot be meant, anything else for what failed.
    package typealias Run = @Sendable (_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode

    /// What selects it on the command line; nil for what a tool does without a command's name.
    package let name: String?
    /// One sentence without its full stop, in the imperative: `list the tensors of a model`.
    package let summary: String
    /// Paragraphs separated by blank lines, wrapped in help; lines that start with a space are kept as they are.
    package let discussion: String?
    package let arguments: [Argument]
    /// The declared options and, at the end, the standard ones.
    package let options: [Option]
    /// One complete command line (or several lines) to try.
    package let example: String
    package let run: Run

    package init(
        _ name: String? = nil, summary: String, discussion: String? = nil, arguments: [Argument] = [],
        options: [Option] = [], example: String, run: @escaping Run
    ) {
        self.name = name
        self.summary = summary
        self.discussion = discussion
        self.arguments = arguments
        self.options = options + Option.standard
        self.example = example
        self.run = run
        checkDeclaration()
    }

    /// What would make the command line ambiguous is a mistake of ours and found the first time the tool runs at all.
    private func checkDeclaration() {
        var seen: Set<String> = []
        for option in options {
            precondition(option.name.utf8.count > 1, "option name '\(option.name)' is too short")
            precondition(seen.insert("--\(option.name)").inserted, "option --\(option.name) is declared twice")
            if let short = option.short {
                precondition(short.isASCII && short.isLetter, "-\(short) is not a letter")
                precondition(seen.insert("-\(short)").inserted, "option -\(short) is declared twice")
            }
        }
        precondition(Set(arguments.map(\.name)).count == arguments.count, "an argument is declared twice")
        precondition(arguments.filter(\.cardinality.isMany).count <= 1, "only one argument can take many words")
    }
}
