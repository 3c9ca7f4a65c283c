/// What `--help` prints: at most 80 columns wide whatever the terminal, so that it can be quoted and compared.
enum HelpText {
    private static let width = 80
    /// Where descriptions start at the latest; a longer spelling gets a line of its own.
    private static let lastColumn = 28

    /// The help of a tool with commands.
    static func text(_ tool: Tool) -> String {
        if let command = tool.mainCommand { return text(tool, command) }
        var text = "usage: \(tool.name) COMMAND [ARGUMENT...] [options]\n\n"
        text += wrapped(sentence(tool.summary))
        text += "\ncommands:\n" + commandList(tool)
        text +=
            "\noptions:\n"
            + entries([
                ("-h, --help", "print this help and exit; after a command, that command's"),
                ("    --version", "print the version and exit"),
            ])
        text += "\nexit status:\n" + entries(exitStatus)
        if let example = tool.commands.first?.example { text += "\nexample:\n" + indented(example) }
        return text
    }

    /// The help of one command.
    static func text(_ tool: Tool, _ command: Command) -> String {
        let isMain = command.name == nil
        var text = isMain ? allUsageLines(tool) : usageLines(tool, command)
        text += "\n" + wrapped(sentence(command.summary))
        if let discussion = command.discussion {
            text += "\n" + WrappedText.paragraphs(discussion, width: width).joined(separator: "\n") + "\n"
        }
        if !command.arguments.isEmpty {
            text += "\narguments:\n" + entries(command.arguments.map { ($0.spelling, $0.help) })
        }
        text += "\noptions:\n" + entries(command.options.map { (label($0), description($0)) })
        if isMain, !tool.namedCommands.isEmpty { text += "\ncommands:\n" + commandList(tool) }
        if isMain { text += "\nexit status:\n" + entries(exitStatus) }
        return text + "\nexample:\n" + indented(command.example)
    }

    /// What a tool says when it is called without anything.
    static func short(_ tool: Tool) -> String {
        if tool.mainCommand != nil {
            return allUsageLines(tool) + "see '\(tool.name) --help'\n"
        }
        return "usage: \(tool.name) COMMAND [ARGUMENT...] [options]\n\ncommands:\n" + commandList(tool)
            + "\nsee '\(tool.name) --help' or '\(tool.name) COMMAND --help'\n"
    }

    /// `qconvert quantize INPUT [-o OUTPUT] [options]`
    static func usage(_ tool: Tool, _ command: Command) -> String {
        ([tool.invocation(of: command)] + usageElements(command)).joined(separator: " ")
    }

    /// What an option does, with unit, range and default in brackets.
    static func description(_ option: Option) -> String {
        var details: [String] = []
        if option.kind == .byteCount { details.append(ByteCountText.form) }
        if case .choice(let choices) = option.kind, option.placeholder != choices.joined(separator: "|") {
            details.append(choices.joined(separator: ", "))
        }
        // Counts are not negative; only other limits are worth a word.
        let range = option.kind == .integer(0...Int.max) ? nil : option.rangeText
        switch (range, option.unit) {
        case (let range?, let unit?): details.append("\(range) \(unit)")
        case (let range?, nil): details.append(range)
        case (nil, let unit?): details.append("in \(unit)")
        case (nil, nil): break
        }
        if option.isRequired { details.append("required") }
        if option.isRepeatable { details.append("repeatable") }
        if let text = option.defaultText { details.append("default:\(WrappedText.tie)\(text)") }
        return details.isEmpty ? option.help : "\(option.help) (\(details.joined(separator: "; ")))"
    }

    /// `-o, --output OUTPUT`, with room for the short form where there is none.
    private static func label(_ option: Option) -> String {
        let short = option.short.map { "-\($0), " } ?? "    "
        return short + "--\(option.name)" + (option.placeholder.isEmpty ? "" : " \(option.placeholder)")
    }

    /// What the statuses mean, by number.
    static let exitStatus = [("0", "done"), ("1", "the answer is no"), ("2", "failed"), ("64", "the command line is wrong")]

    private static func commandList(_ tool: Tool) -> String {
        entries(tool.namedCommands.map { ($0.name ?? "", $0.summary) })
    }

    /// Two aligned columns, the second one wrapped.
    private static func entries(_ entries: [(label: String, text: String)]) -> String {
        let widths = entries.map(\.label.displayWidth).filter { $0 + 4 <= lastColumn }
        let column = (widths.max() ?? 0) + 4
        let margin = String(repeating: " ", count: column)
        var text = ""
        for entry in entries {
            let lines = WrappedText.lines(entry.text, width: width - column)
            let label = "  " + entry.label
            if label.displayWidth + 2 > column {
                text += label + "\n" + lines.map { margin + $0 + "\n" }.joined()
            } else {
                text += label.padded(to: column) + lines.joined(separator: "\n" + margin) + "\n"
            }
        }
        return text
    }

    /// A usage line for each command, below one another.
    private static func allUsageLines(_ tool: Tool) -> String {
        tool.commands.enumerated().map { usageLines(tool, $1, lead: $0 == 0 ? "usage: " : "       ") }.joined()
    }

    /// The usage line, broken between its elements where it is too long.
    private static func usageLines(_ tool: Tool, _ command: Command, lead: String = "usage: ") -> String {
        var lines = [lead + tool.invocation(of: command)]
        for element in usageElements(command) {
            let last = lines.count - 1
            if lines[last].displayWidth + 1 + element.displayWidth > width {
                lines.append(String(repeating: " ", count: "usage: ".count) + element)
            } else {
                lines[last] += " " + element
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func usageElements(_ command: Command) -> [String] {
        let named = command.options.filter(\.isInUsage).map { $0.isRequired ? $0.spelling : "[\($0.spelling)]" }
        return command.arguments.map(\.spelling) + named + ["[options]"]
    }

    /// With a capital and a full stop.
    static func sentence(_ summary: String) -> String {
        summary.prefix(1).uppercased() + summary.dropFirst() + "."
    }

    private static func wrapped(_ text: String) -> String {
        WrappedText.lines(text, width: width).joined(separator: "\n") + "\n"
    }

    private static func indented(_ example: String) -> String {
        example.split(separator: "\n", omittingEmptySubsequences: false).map { "  \($0)\n" }.joined()
    }
}
