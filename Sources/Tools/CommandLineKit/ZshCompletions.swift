/// Completions for zsh: a file `_qtool` for a folder in `fpath`.
struct ZshCompletions {
    let tool: Tool

    var text: String {
        var lines = ["#compdef \(tool.name)", "# zsh completions for \(tool.name) \(tool.version)"]
        if let command = tool.onlyCommand {
            lines += arguments(command)
        } else {
            lines += [
                "local -a commands=("
            ]
            lines += tool.namedCommands.map { "    " + Shell.zsh.quoted("\($0.name ?? ""):\($0.summary)") }
            lines += [
                "    'help:print help for a command'",
                ")",
                "if ((CURRENT == 2)); then",
                tool.mainCommand == nil ? "    _describe command commands -- '(--help --version)'" : "    _describe command commands",
            ]
            if let command = tool.mainCommand {
                lines += arguments(command).map { "    " + $0 }
            }
            lines += [
                "    return",
                "fi",
                "local command=$words[2]",
            ]
            if let command = tool.mainCommand {
                let names = (tool.namedCommands.compactMap(\.name) + ["help"]).joined(separator: "|")
                lines.append("if [[ $command != (\(names)) ]]; then")
                lines += arguments(command).map { "    " + $0 }
                lines += ["    return", "fi"]
            }
            lines += [
                "shift words",
                "((CURRENT--))",
                "case $command in",
                "help) _describe command commands ;;",
            ]
            for command in tool.namedCommands {
                lines.append("\(command.name ?? ""))")
                lines += arguments(command).map { "    " + $0 }
                lines.append("    ;;")
            }
            lines.append("esac")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A call of `_arguments` with one specification per option and argument.
    private func arguments(_ command: Command) -> [String] {
        let specifications = command.options.flatMap(specifications) + command.arguments.map(specification)
        return ["_arguments -S \\"]
            + specifications.enumerated().map { index, specification in
                "    " + Shell.zsh.quoted(specification) + (index + 1 < specifications.count ? " \\" : "")
            }
    }

    /// One for each spelling; a spelling excludes the others unless the option is repeatable.
    private func specifications(_ option: Option) -> [String] {
        let exclusion = option.isRepeatable ? "*" : "(\(option.spellings.joined(separator: " ")))"
        return option.spellings.map { spelling in
            let name = option.kind.takesValue && spelling.hasPrefix("--") ? spelling + "=" : spelling
            let value = option.kind.takesValue ? ":\(escaped(option.placeholder)):\(action(option.kind))" : ""
            return "\(exclusion)\(name)[\(escaped(option.help))]\(value)"
        }
    }

    private func specification(_ argument: Argument) -> String {
        let position = argument.cardinality.isMany ? "*" : ""
        let optional = argument.cardinality == .optional ? ":" : ""
        return "\(position):\(optional)\(escaped(argument.help)):\(argument.isPath ? "_files" : " ")"
    }

    private func action(_ kind: OptionKind) -> String {
        switch kind {
        case .path: "_files"
        case .choice(let choices): "(\(choices.joined(separator: " ")))"
        default: " "
        }
    }

    /// What ends a part of a specification loses its meaning behind a backslash.
    private func escaped(_ text: String) -> String {
        text.substituting(["\\": "\\\\", "[": "\\[", "]": "\\]", ":": "\\:"])
    }
}
