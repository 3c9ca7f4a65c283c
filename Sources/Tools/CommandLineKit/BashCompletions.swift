/// Completions for bash 4 and later, without the bash-completion package.
struct BashCompletions {
    let tool: Tool

    var text: String {
        let function = "_\(tool.name)"
        var lines = [
            "# bash completions for \(tool.name) \(tool.version)",
            "\(function)() {",
            "    local current=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD-1]}",
            "    # bash makes three words of --name=value.",
            "    if [[ $current == = ]]; then current=",
            "    elif [[ $option == = ]]; then option=${COMP_WORDS[COMP_CWORD-2]}; fi",
        ]
        if let command = tool.onlyCommand {
            lines += completing(command).map { "    " + $0 }
        } else {
            let names = tool.namedCommands.compactMap(\.name)
            // Without a command's name, files and options come first, too.
            let isFirst = tool.mainCommand == nil ? "((COMP_CWORD == 1))" : "((COMP_CWORD == 1)) && [[ $current != -* ]]"
            let offered = names + ["help"] + (tool.mainCommand == nil ? ["--help", "--version"] : [])
            lines += [
                "    if \(isFirst); then",
                "        \(offer(offered))",
                "        return",
                "    fi",
                "    case ${COMP_WORDS[1]} in",
                "    help)",
                "        \(offer(names))",
                "        ;;",
            ]
            for command in tool.namedCommands + [tool.mainCommand].compactMap(\.self) {
                lines.append("    \(command.name ?? "*"))")
                lines += completing(command).map { "        " + $0 }
                lines.append("        ;;")
            }
            lines.append("    esac")
        }
        // Where the function offers nothing, readline completes file names.
        lines += ["}", "complete -o default -F \(function) \(tool.name)"]
        return lines.joined(separator: "\n") + "\n"
    }

    private func completing(_ command: Command) -> [String] {
        var lines = ["case $option in"]
        for option in command.options where option.kind.takesValue {
            let pattern = option.spellings.joined(separator: "|")
            switch option.kind {
            case .choice(let choices): lines.append("\(pattern)) \(offer(choices)); return ;;")
            case .path: lines.append("\(pattern)) return ;;")
            default: lines.append("\(pattern)) compopt +o default; return ;;")
            }
        }
        lines.append("esac")
        lines.append("if [[ $current == -* ]]; then")
        lines.append("    \(offer(command.options.flatMap(\.spellings)))")
        if !command.takesPaths { lines += ["else", "    compopt +o default"] }
        return lines + ["fi"]
    }

    private func offer(_ words: [String]) -> String {
        "COMPREPLY=($(compgen -W \(Shell.bash.quoted(words.joined(separator: " "))) -- \"$current\"))"
    }
}
