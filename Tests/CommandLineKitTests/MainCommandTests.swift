import CommandLineKit
import Testing

/// A tool that does one thing without a command's name, and others by name.
@Suite struct MainCommandTests {
    private static let tool = Tool(
        "qdo", version: "1.2.3",
        command: Command(
            summary: "do it", arguments: [Argument("model", help: "model to do it to")],
            options: [.text("prompt", "TEXT", help: "what to do")], example: "qdo gpt2 --prompt run"
        ) { arguments, console in
            try console.writeLine("did \(arguments.positional(always: "model"))")
            return .done
        },
        others: [
            Command("chat", summary: "talk about it", arguments: [Argument("model", help: "model to talk to")], example: "qdo chat gpt2") {
                arguments, console in
                try console.writeLine("talked to \(arguments.positional(always: "model"))")
                return .done
            }
        ])

    private static func run(_ line: String...) -> DemoTool.Run { DemoTool.run(line, tool: tool) }

    @Test func theFirstWordDecides() {
        #expect(Self.run("gpt2").output == "did gpt2\n")
        #expect(Self.run("./chat", "--prompt", "x").output == "did ./chat\n")
        #expect(Self.run("chat", "gpt2").output == "talked to gpt2\n")
        #expect(Self.run("--prompt", "x", "chat").output == "did chat\n")
        #expect(Self.run("chat").errors == "qdo: error: missing argument MODEL\nhint: usage: qdo chat MODEL [options]\n")
    }

    @Test func helpNamesAllCommands() {
        let help = Self.run("--help")
        #expect(help.status == .done)
        #expect(help.output.hasPrefix("usage: qdo MODEL [options]\n       qdo chat MODEL [options]\n\nDo it.\n"))
        #expect(help.output.contains("\ncommands:\n  chat  talk about it\n"))
        #expect(Self.run("help") == help)
        #expect(Self.run("help", "chat").output.hasPrefix("usage: qdo chat MODEL [options]\n\nTalk about it.\n"))
        #expect(Self.run("chat", "--help") == Self.run("help", "chat"))
    }

    @Test func withoutArgumentsSaysHowToGoOn() {
        #expect(
            Self.run()
                == .init(
                    status: .usage, output: "",
                    errors: "usage: qdo MODEL [options]\n       qdo chat MODEL [options]\nsee 'qdo --help'\n"))
    }

    @Test func completionsOfferBoth() {
        let bash = Self.run("--generate-completions", "bash").output
        #expect(bash.contains("if ((COMP_CWORD == 1)) && [[ $current != -* ]]; then"))
        #expect(bash.contains("'chat help'") && bash.contains("    chat)\n") && bash.contains("    *)\n"))
        let fish = Self.run("--generate-completions", "fish").output
        #expect(fish.contains("complete -c qdo -n 'not __fish_seen_subcommand_from help chat' -l prompt"))
        let zsh = Self.run("--generate-completions", "zsh").output
        #expect(zsh.contains("if [[ $command != (chat|help) ]]; then") && zsh.contains("chat)\n"))
    }

    @Test func theManualHasBoth() {
        let manual = Self.run("--generate-manual").output
        #expect(manual.contains(".SH SYNOPSIS\n.B qdo\nMODEL [options]\n.br\n.B qdo chat\nMODEL [options]\n"))
        #expect(manual.contains(".SH COMMANDS\n.SS \"qdo chat\"\n"))
    }
}
