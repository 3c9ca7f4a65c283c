/// The manual page of a tool, for `man`: roff with the `man` macros, made from the same data as `--help`.
struct ManualPage {
    let tool: Tool

    var text: String {
        // Without a date, which would change with every build.
        var lines = [#".TH \#(quoted(tool.name.uppercased())) 1 "" \#(quoted("\(tool.name) \(tool.version)"))"#]
        lines += [".SH NAME", escaped("\(tool.name) - ") + escaped(tool.summary)]
        lines.append(".SH SYNOPSIS")
        for (index, command) in tool.commands.enumerated() {
            if index > 0 { lines.append(".br") }
            lines += synopsis(command)
        }
        if let command = tool.mainCommand {
            if let discussion = command.discussion { lines += [".SH DESCRIPTION"] + paragraphs(discussion) }
            lines += [".SH OPTIONS"] + command.arguments.flatMap(entry) + command.options.flatMap(entry)
            if !tool.namedCommands.isEmpty { lines += [".SH COMMANDS"] + tool.namedCommands.flatMap(section) }
        } else {
            lines.append(".SH COMMANDS")
            for command in tool.commands { lines += section(command) }
            lines += [".SH OPTIONS", "Every command takes:"] + Option.standard.flatMap(entry)
        }
        lines.append(".SH EXIT STATUS")
        for (status, meaning) in HelpText.exitStatus { lines += [".TP", escaped(status), escaped(meaning)] }
        lines += [
            ".SH ENVIRONMENT", ".TP", "NO_COLOR", escaped("when set and not empty, --color auto means never"), ".TP", "COLUMNS",
            escaped("width of a terminal that does not tell its own"),
        ]
        lines.append(".SH EXAMPLES")
        for command in tool.commands { lines += [".PP", ".EX"] + verbatim(command.example) + [".EE"] }
        return lines.joined(separator: "\n") + "\n"
    }

    private func synopsis(_ command: Command) -> [String] {
        let usage = HelpText.usage(tool, command)
        let invocation = tool.invocation(of: command)
        return [".B \(escaped(invocation))", escaped(String(usage.dropFirst(invocation.count + 1)))]
    }

    private func section(_ command: Command) -> [String] {
        var lines = [".SS \(quoted(tool.invocation(of: command)))", escaped(HelpText.sentence(command.summary))]
        if let discussion = command.discussion { lines += [".PP"] + paragraphs(discussion) }
        lines += command.arguments.flatMap(entry)
        lines += command.options.dropLast(Option.standard.count).flatMap(entry)
        return lines
    }

    private func entry(_ argument: Argument) -> [String] {
        [".TP", ".I \(escaped(argument.spelling))", escaped(argument.help)]
    }

    private func entry(_ option: Option) -> [String] {
        let spellings = option.spellings.map { "\\fB\(escaped($0))\\fR" }.joined(separator: ", ")
        let placeholder = option.placeholder.isEmpty ? "" : " \\fI\(escaped(option.placeholder))\\fR"
        return [".TP", spellings + placeholder, escaped(HelpText.description(option))]
    }

    /// Wrapped text is left to roff, what starts with a space is kept as it stands.
    private func paragraphs(_ text: String) -> [String] {
        var lines: [String] = []
        var isVerbatim = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if isVerbatim != (line.first == " ") {
                isVerbatim.toggle()
                lines.append(isVerbatim ? ".EX" : ".EE")
            }
            lines.append(line.isEmpty ? ".PP" : escaped(String(line)))
        }
        return isVerbatim ? lines + [".EE"] : lines
    }

    private func verbatim(_ text: String) -> [String] {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { escaped(String($0)) }
    }

    /// Text in which roff sees no commands: a dot or quote at the start of a line would be one, a bare dash is a hyphen.
    private func escaped(_ text: String) -> String {
        let plain = text.substituting([
            "\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", "\u{A0}": " ",
        ])
        return plain.hasPrefix(".") ? "\\&" + plain : plain
    }

    private func quoted(_ text: String) -> String {
        "\"" + escaped(text).substituting(["\"": "\\(dq"]) + "\""
    }
}
