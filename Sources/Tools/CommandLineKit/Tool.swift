import Platform

/// A program as data: its commands, from which parsing, help, completions and the manual page follow.
package struct Tool: Sendable {
    /// The executable's name; prefixes every message.
    package let name: String
    /// One sentence without its full stop, in the imperative: `convert and quantize models`.
    package let summary: String
    package let version: String
    package let commands: [Command]
    /// What `--version` tells besides, in brackets.
    private var buildNote: String?
    private var obstacle: Failure?

    /// A tool with commands: `qinspect layers ...`, `qinspect check ...`.
    package init(_ name: String, summary: String, version: String, commands: [Command]) {
        precondition(!commands.isEmpty && commands.allSatisfy { $0.name != nil }, "commands of a tool have names")
        precondition(Set(commands.map(\.name)).count == commands.count, "two commands have the same name")
        precondition(!commands.contains { $0.name == "help" }, "'help' is every tool's own command")
        self.name = name
        self.summary = summary
        self.version = version
        self.commands = commands
    }

    /// A tool that does one thing: `qmerge BASE ADAPTER -o OUTPUT`.
    package init(_ name: String, version: String, command: Command) {
        precondition(command.name == nil, "the only command of a tool has no name")
        self.name = name
        summary = command.summary
        self.version = version
        commands = [command]
    }

    /// A tool that does one thing, and others by name beside it: `qrun MODEL`, `qrun chat MODEL`.
    ///
    /// A first word that is a command's name is always the command; a file of that name is `./chat`.
    package init(_ name: String, version: String, command: Command, others: [Command]) {
        precondition(command.name == nil && others.allSatisfy { $0.name != nil }, "the main command has no name, all others have")
        precondition(Set(others.map(\.name)).count == others.count, "two commands have the same name")
        precondition(!others.contains { $0.name == "help" }, "'help' is every tool's own command")
        self.name = name
        summary = command.summary
        self.version = version
        commands = [command] + others
    }

    /// Is the whole program: runs the tool and ends the process.
    ///
    /// - Parameters:
    ///   - buildNote: what `--version` tells besides.
    ///   - obstacle: why nothing can be run at all.
    package func main(buildNote: String, obstacle: Failure? = nil) -> Never {
        var tool = self
        tool.buildNote = buildNote
        tool.obstacle = obstacle
        // All is written then, and nothing is left to do for what runs at an exit: OpenBLAS would wait there for its threads,
        // which where memory is short wait for memory, for ever.
        _exit(tool.run(CommandLine.arguments, malformedArgument: Self.malformedArgument()))
    }

    /// The first argument of this process that is not UTF-8, counted from 1. `CommandLine.arguments` has it repaired, and the
    /// repaired name would be another file; it may also hold U+FFFD, which is a character like any other.
    private static func malformedArgument() -> Int? {
        (1..<max(1, Int(CommandLine.argc))).first { index in
            guard let bytes = CommandLine.unsafeArgv[index] else { return false }
            return String(validatingCString: bytes) == nil
        }
    }

    /// Runs the tool as this process, with its streams and signals, and answers the status to end with.
    ///
    /// - Parameters:
    ///   - arguments: with the program's name first; Linux tells them in /proc, and there are none at all where that is not mounted.
    ///   - malformedArgument: which of them was not UTF-8 and is repaired.
    package func run(_ arguments: [String], malformedArgument: Int? = nil) -> Int32 {
        DescriptorSink.occupyStandardDescriptors()
        let interrupts = Interrupts()
        let console = Console(toolName: name, interrupts: interrupts)
        interrupts.onTermination { console.eraseProgressAtTermination() }
        interrupts.start()
        guard !arguments.isEmpty else {
            console.error(Failure("its own arguments cannot be read", hint: "they are in /proc/self/cmdline: mount /proc here"))
            return ExitCode.failed.rawValue
        }
        if let obstacle {
            console.error(obstacle)
            return ExitCode.usage.rawValue
        }
        let status = run(Array(arguments.dropFirst()), console, malformedArgument: malformedArgument)
        if status == .closedPipe { Interrupts.die(by: SIGPIPE) }
        return status.rawValue
    }

    /// Runs the tool on a console of the caller's: no signals, no exit.
    ///
    /// - Parameters:
    ///   - line: without the program's name.
    ///   - malformedArgument: which of the words, counted from 1, was not UTF-8 and is repaired.
    package func run(_ line: [String], _ console: Console, malformedArgument: Int? = nil) -> ExitCode {
        console.configure(isQuiet: false, color: ColorChoice.requested(in: line))
        defer { console.eraseProgress() }
        do {
            if let index = malformedArgument, line.indices.contains(index - 1) {
                throw UsageError("argument \(index) is not valid UTF-8: '\(line[index - 1])'")
            }
            let status = try dispatch(line, console)
            try console.flush()
            console.passUnlessEnding()
            return status
        } catch OutputError.closedPipe {
            return .closedPipe
        } catch {
            console.passUnlessEnding()
            // What was found before the failure comes first. If it cannot be written either, the first error is the one to tell.
            try? console.flush()
            console.error(error)
            return error is UsageError ? .usage : .failed
        }
    }

    /// The command when there is but one and it has no name.
    var onlyCommand: Command? {
        commands.count == 1 && commands[0].name == nil ? commands[0] : nil
    }

    /// The command that is meant where the first word names none.
    var mainCommand: Command? { commands.first { $0.name == nil } }

    /// The commands that a word selects.
    var namedCommands: [Command] { commands.filter { $0.name != nil } }

    /// What somebody types to get at a command: `qinspect layers`.
    func invocation(of command: Command) -> String {
        command.name.map { "\(name) \($0)" } ?? name
    }

    private func dispatch(_ line: [String], _ console: Console) throws -> ExitCode {
        if let document = try generated(line) {
            try console.write(document)
            return .done
        }
        if let command = mainCommand {
            guard !line.isEmpty || !command.arguments.contains(where: \.cardinality.isRequired) else { return greet(console) }
            let isNamed = namedCommands.contains { $0.name == line.first } || line.first == "help" && !namedCommands.isEmpty
            guard isNamed else { return try perform(command, line, console) }
        }
        guard let word = line.first else { return greet(console) }
        switch word {
        case "--help", "-h":
            try console.write(HelpText.text(self))
            return .done
        case "--version":
            return try printVersion(console)
        case "help" where line.count == 1:
            try console.write(HelpText.text(self))
            return .done
        case "help":
            try console.write(HelpText.text(self, command(line[1])))
            return .done
        default:
            return try perform(command(word), Array(line.dropFirst()), console)
        }
    }

    private func perform(_ command: Command, _ line: [String], _ console: Console) throws -> ExitCode {
        // By the shape rule of `ArgumentParser` neither word can be the value of another option.
        let words = line.prefix { $0 != "--" }
        if words.contains("--help") || words.contains("-h") {
            try console.write(HelpText.text(self, command))
            return .done
        }
        if words.contains("--version") { return try printVersion(console) }
        var parser = ArgumentParser(tool: self, command: command)
        let arguments = try parser.parse(line)
        let color = ColorChoice(rawValue: arguments.string(always: Option.color.name)) ?? .auto
        console.configure(isQuiet: arguments.flag(Option.quiet.name), color: color)
        return try command.run(arguments, console)
    }

    /// What packagers ask for, and help does not mention: `--generate-completions SHELL` and `--generate-manual`,
    /// each alone on the line.
    private func generated(_ line: [String]) throws(UsageError) -> String? {
        switch line.first {
        case "--generate-manual" where line.count == 1:
            return ManualPage(tool: self).text
        case "--generate-completions":
            let shells = Shell.allCases.map(\.rawValue)
            let option = Option.choice("generate-completions", shells, help: "")
            let text = line.dropFirst().joined(separator: " ")
            _ = try option.value(of: text, spelling: "--generate-completions")
            return Shell(rawValue: text)?.completions(for: self)
        default:
            return nil
        }
    }

    private func printVersion(_ console: Console) throws -> ExitCode {
        try console.writeLine("\(name) \(version)" + (buildNote.map { " (\($0))" } ?? ""))
        return .done
    }

    private func greet(_ console: Console) -> ExitCode {
        console.writeError(HelpText.short(self))
        return .usage
    }

    private func command(_ word: String) throws(UsageError) -> Command {
        if let command = commands.first(where: { $0.name == word }) { return command }
        let names = commands.compactMap(\.name)
        if ArgumentParser.isOption(word) {
            throw UsageError("'\(word)' comes before the command", hint: "options follow it: '\(name) COMMAND \(word)'")
        }
        if let nearest = Spelling.nearest(to: word, among: names) {
            throw UsageError("unknown command '\(word)'", hint: "did you mean '\(nearest)'?")
        }
        throw UsageError("unknown command '\(word)'", hint: "the commands are \(names.joined(separator: ", "))")
    }
}
