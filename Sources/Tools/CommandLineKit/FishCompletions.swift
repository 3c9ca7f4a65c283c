/// Completions for fish: a file for `~/.config/fish/completions`.
struct FishCompletions {
    let tool: Tool

    var text: String {
        var lines = ["# fish completions for \(tool.name) \(tool.version)"]
        if let command = tool.onlyCommand {
            lines += completing(command, condition: nil)
        } else {
            let isFirst = "__fish_use_subcommand"
            if tool.mainCommand == nil { lines.append(line(isFirst, "-f")) }
            for command in tool.namedCommands {
                lines.append(line(isFirst, "-a \(command.name ?? "") -d \(quoted(command.summary))"))
            }
            lines.append(line(isFirst, "-a help -d 'print help for a command'"))
            let names = tool.namedCommands.compactMap(\.name).joined(separator: " ")
            if let command = tool.mainCommand {
                lines += completing(command, condition: "not __fish_seen_subcommand_from help \(names)")
            } else {
                lines.append(line(isFirst, "-s h -l help -d 'print this help and exit'"))
                lines.append(line(isFirst, "-l version -d 'print the version and exit'"))
            }
            lines.append(line("__fish_seen_subcommand_from help", "-f -a \(quoted(names))"))
            for command in tool.namedCommands {
                lines += completing(command, condition: "__fish_seen_subcommand_from \(command.name ?? "")")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func completing(_ command: Command, condition: String?) -> [String] {
        let options = command.options.map { option in
            let short = option.short.map { "-s \($0) " } ?? ""
            return line(condition, "\(short)-l \(option.name)\(value(option.kind)) -d \(quoted(option.help))")
        }
        return (command.takesPaths ? [] : [line(condition, "-f")]) + options
    }

    private func value(_ kind: OptionKind) -> String {
        switch kind {
        case .flag: ""
        case .path: " -r -F"
        case .choice(let choices): " -x -a \(quoted(choices.joined(separator: " ")))"
        default: " -x"
        }
    }

    private func line(_ condition: String?, _ rest: String) -> String {
        "complete -c \(tool.name) " + (condition.map { "-n \(quoted($0)) " } ?? "") + rest
    }

    private func quoted(_ text: String) -> String { Shell.fish.quoted(text) }
}
