import CommandLineKit
import TestSupport
import Testing

@Suite struct ConsoleTests {
    @Test func messagesTakeTheProgressLineAwayFirst() throws {
        let both = RecordingSink()
        let terminal = Terminal(isTerminal: true)
        let console = Console(toolName: "q", output: both, errors: both, outputTerminal: terminal, errorTerminal: terminal)
        console.showProgress("50%")
        console.warning("careful")
        console.showProgress("60%")
        try console.writeLine("result")
        try console.write("unfinished")
        console.showProgress("70%")
        try console.writeLine()
        let erase = "\r\u{1B}[K"
        #expect(both.text == "\(erase)50%\(erase)q: warning: careful\n\(erase)60%\(erase)result\nunfinished\n")
    }

    @Test func outputIsBufferedUnlessItIsATerminal() throws {
        for isTerminal in [false, true] {
            let output = RecordingSink()
            let terminal = Terminal(isTerminal: isTerminal)
            let console = Console(toolName: "q", output: output, errors: RecordingSink(), outputTerminal: terminal)
            try console.write("a")
            #expect(output.text == (isTerminal ? "a" : ""))
            try console.write(String(repeating: "b", count: 1 << 16))
            #expect(output.text.utf8.count == 1 + 1 << 16)
            try console.writeDocument("{}")
            try console.writeDocument("[]\n")
            try console.flush()
            #expect(output.text.hasSuffix("b{}\n[]\n"))
        }
    }

    /// Refuses everything, as a full disk or a closed pipe does.
    private struct RefusingSink: OutputSink {
        let error: OutputError
        func write(_ bytes: [UInt8]) throws(OutputError) { throw error }
    }

    @Test(arguments: [
        (OutputError.closedPipe, ExitCode.closedPipe, "qdemo: note: nothing was written\n"),
        (
            .failed(stream: "standard output", code: 28), .failed,
            "qdemo: note: nothing was written\nqdemo: error: standard output: cannot write: no space left on device\n"
        ),
    ])
    func failureToWriteEndsTheTool(error: OutputError, status: ExitCode, messages: String) {
        let errors = RecordingSink()
        let console = Console(toolName: "qdemo", output: RefusingSink(error: error), errors: errors)
        #expect(DemoTool.tool.run(["quantize", "in", "-o", "out"], console) == status)
        #expect(errors.text == messages)
    }

    @Test func theFirstErrorIsTheOneThatIsTold() {
        let errors = RecordingSink()
        let console = Console(toolName: "qdemo", output: RefusingSink(error: .closedPipe), errors: errors)
        #expect(DemoTool.tool.run(["fail", "unknown"], console) == .failed)
        #expect(errors.text == "qdemo: warning: about to fail\nhint: stand back\nqdemo: error: Unknown()\n")
    }

    @Test func messagesThatCannotBeWrittenDoNotFailTheTool() {
        let output = RecordingSink()
        let console = Console(toolName: "qdemo", output: output, errors: RefusingSink(error: .closedPipe))
        #expect(DemoTool.tool.run(["merge", "a", "b"], console) == .done)
        #expect(output.text == "a + [] -> b\n")
    }
}
