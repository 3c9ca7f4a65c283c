/// A shell that can complete a tool's command lines.
enum Shell: String, CaseIterable {
    case bash, zsh, fish

    /// A script for this shell, made from the tool's declaration.
    func completions(for tool: Tool) -> String {
        switch self {
        case .bash: BashCompletions(tool: tool).text
        case .zsh: ZshCompletions(tool: tool).text
        case .fish: FishCompletions(tool: tool).text
        }
    }

    /// As one word, whatever it contains; the three shells agree on single quotes except for fish's backslashes.
    func quoted(_ text: String) -> String {
        "'" + text.substituting(self == .fish ? ["\\": "\\\\", "'": "\\'"] : ["'": "'\\''"]) + "'"
    }
}

extension String {
    /// With some characters replaced. (The library's `replacing` would make every tool load the regular expression engine.)
    func substituting(_ substitutes: [Character: String]) -> String {
        map { substitutes[$0] ?? String($0) }.joined()
    }
}

extension Command {
    /// Whether shells should offer file names where no option is being typed.
    var takesPaths: Bool { arguments.contains(where: \.isPath) }
}

extension Option {
    /// `-o` and `--output`.
    var spellings: [String] { (short.map { ["-\($0)"] } ?? []) + ["--\(name)"] }
}
