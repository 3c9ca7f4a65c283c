import CommandLineKit
import Testing

@Suite struct ToolTests {
    @Test(arguments: [
        (["--version"], "qdemo 1.2.3\n"),
        (["layers", "--version"], "qdemo 1.2.3\n"),
        (["layers", "a", "bb"], "model  letters\na            1\nbb           2\n"),
    ])
    func prints(line: [String], output: String) {
        #expect(DemoTool.run(line) == .init(status: .done, output: output, errors: ""))
    }

    @Test func answersNoWithStatusOne() {
        #expect(DemoTool.run(["layers", "a", "--match", "x"]).status == .no)
    }

    @Test(arguments: [["--help"], ["-h"], ["help"]])
    func helpOfTheToolIsReachedEveryWay(line: [String]) {
        let help = DemoTool.run(["--help"])
        #expect(help.status == .done && help.errors.isEmpty)
        #expect(DemoTool.run(line) == help)
    }

    @Test(arguments: [
        ["layers", "--help"], ["layers", "-h"], ["layers", "a", "--bogus", "--help"], ["layers", "--match", "--help"],
    ])
    func helpOfACommandIsReachedWhateverElseIsWrong(line: [String]) {
        #expect(DemoTool.run(line) == DemoTool.run(["help", "layers"]))
        #expect(DemoTool.run(line).status == .done)
    }

    @Test func afterTwoDashesHelpIsAWord() {
        #expect(DemoTool.run(["layers", "--", "--help"]).output == "model   letters\n--help        6\n")
    }

    @Test(arguments: [
        (["layer", "a"], "unknown command 'layer'", "did you mean 'layers'?"),
        (["Layers", "a"], "unknown command 'Layers'", "did you mean 'layers'?"),
        (["quant"], "unknown command 'quant'", "did you mean 'quantize'?"),
        (["gpt2.safetensors"], "unknown command 'gpt2.safetensors'", "the commands are quantize, layers, merge, fail"),
        (["help", "me"], "unknown command 'me'", "did you mean 'merge'?"),
        (["--json", "layers"], "'--json' comes before the command", "options follow it: 'qdemo COMMAND --json'"),
    ])
    func refuses(line: [String], message: String, hint: String) {
        let errors = "qdemo: error: \(message)\nhint: \(hint)\n"
        #expect(DemoTool.run(line) == .init(status: .usage, output: "", errors: errors))
    }

    @Test func withoutArgumentsSaysHowToGoOn() {
        #expect(
            DemoTool.run([])
                == .init(
                    status: .usage, output: "",
                    errors: """
                        usage: qdemo COMMAND [ARGUMENT...] [options]

                        commands:
                          quantize  quantize a model to 4 bits
                          layers    list the tensors of models
                          merge     merge adapters
                          fail      fail in the way that is asked for

                        see 'qdemo --help' or 'qdemo COMMAND --help'

                        """))
        #expect(
            DemoTool.run([], tool: DemoTool.single)
                == .init(
                    status: .usage, output: "",
                    errors: """
                        usage: qmerge BASE ADAPTER -o OUTPUT [options]
                        see 'qmerge --help'

                        """))
    }

    @Test func toolWithoutCommandsTakesArgumentsDirectly() {
        let line = ["help", "layers", "-o", "out", "--unmerge"]
        #expect(DemoTool.run(line, tool: DemoTool.single) == .init(status: .done, output: "unmerged\n", errors: ""))
    }

    @Test(arguments: [
        ("usage", ExitCode.usage, "'how' cannot be usage\nhint: try failure"),
        ("failure", .failed, "tensor 'a\\u{1b}[2Jb\\nc': bad\nhint: rename '\\u{7}'"),
        ("unknown", .failed, "Unknown()"),
    ])
    func errorsBecomeStatusAndMessage(how: String, status: ExitCode, text: String) {
        let errors = "qdemo: warning: about to fail\nhint: stand back\nqdemo: error: \(text)\n"
        #expect(DemoTool.run(["fail", how]) == .init(status: status, output: "before\n", errors: errors))
    }

    @Test func quietLeavesOnlyWarningsAndErrors() {
        #expect(DemoTool.run(["quantize", "in", "-o", "out", "--quiet"]).errors == "")
        #expect(DemoTool.run(["fail", "-q"]).errors == "qdemo: warning: about to fail\nhint: stand back\n")
    }

    @Test(arguments: [
        ([], true, true), (["--color", "never"], true, false), (["--color=never"], true, false),
        (["--color", "always"], false, true), ([], false, false), (["--", "--color=always"], false, false),
    ])
    func colourFollowsTerminalAndOption(words: [String], isTerminal: Bool, expected: Bool) {
        let terminal = Terminal(isTerminal: isTerminal, prefersColor: isTerminal)
        let message = "unknown option '--oops'"
        let red = expected ? "\u{1B}[31merror:\u{1B}[0m" : "error:"
        let run = DemoTool.run(["layers", "--oops"] + words, terminal: terminal)
        #expect(run.errors.hasPrefix("qdemo: \(red) \(message)\n"))
    }
}
