import CommandLineKit
import Glibc
import Testing

/// Each test runs in a process of its own, because signals belong to a process.
@Suite struct InterruptsTests {
    /// Starts, registers hooks that write letters to standard output, and waits for the end.
    private static func waitToBeEnded(by number: Int32) -> Never {
        let interrupts = Interrupts()
        interrupts.start()
        interrupts.onTermination { say("C") }
        let hook = interrupts.onTermination { say("B") }
        interrupts.onTermination { say("A") }
        hook.cancel()
        kill(getpid(), number)
        while true { pause() }
    }

    private static func say(_ letter: String) {
        Array(letter.utf8).withUnsafeBytes { _ = write(1, $0.baseAddress, $0.count) }
    }

    @Test func interruptCleansUpAndEndsBySignal() async {
        let result = await #expect(processExitsWith: .signal(SIGINT), observing: [\.standardOutputContent]) {
            Self.waitToBeEnded(by: SIGINT)
        }
        #expect(result.map { String(decoding: $0.standardOutputContent, as: UTF8.self) }?.hasSuffix("AC") == true)
    }

    @Test func terminationCleansUpAndEndsBySignal() async {
        let result = await #expect(processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]) {
            Self.waitToBeEnded(by: SIGTERM)
        }
        #expect(result.map { String(decoding: $0.standardOutputContent, as: UTF8.self) }?.hasSuffix("AC") == true)
    }

    @Test func secondSignalEndsACleanupThatHangs() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            let interrupts = Interrupts()
            interrupts.start()
            interrupts.onTermination {
                kill(getpid(), SIGTERM)
                while true { pause() }
            }
            kill(getpid(), SIGINT)
            while true { pause() }
        }
    }

    @Test func ignoredSignalsStayIgnored() async {
        await #expect(processExitsWith: .exitCode(7)) {
            signal(SIGHUP, SIG_IGN)
            Interrupts().start()
            kill(getpid(), SIGHUP)
            usleep(50_000)
            exit(7)
        }
    }

    /// Writes more than any buffer holds, and says on standard error when it is unwound.
    private static let endless = Tool(
        "qendless", version: "1",
        command: Command(summary: "write", example: "qendless") { _, console in
            defer { console.warning("unwound") }
            while true { try console.writeLine("line") }
        })

    @Test func closedPipeUnwindsTheToolAndThenEndsItBySignal() async {
        let result = await #expect(processExitsWith: .signal(SIGPIPE), observing: [\.standardErrorContent]) {
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            dup2(ends[1], 1)
            close(ends[0])
            exit(Self.endless.run(["qendless"]))
        }
        let errors = result.map { String(decoding: $0.standardErrorContent, as: UTF8.self) }
        #expect(errors?.hasSuffix("qendless: warning: unwound\n") == true)
    }

    @Test func signalEndsAToolThatIsStuckWriting() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            dup2(ends[1], 1)
            var thread = pthread_t()
            pthread_create(
                &thread, nil,
                { _ in
                    usleep(100_000)
                    kill(getpid(), SIGTERM)
                    // Reached only when the first signal did not end the process.
                    usleep(1_000_000)
                    _exit(9)
                }, nil)
            exit(Self.endless.run(["qendless"]))
        }
    }

    @Test func fullDiskIsAFailure() async {
        let result = await #expect(processExitsWith: .exitCode(2), observing: [\.standardErrorContent]) {
            dup2(open("/dev/full", O_WRONLY), 1)
            exit(DemoTool.tool.run(["qdemo", "layers", "a"]))
        }
        let errors = result.map { String(decoding: $0.standardErrorContent, as: UTF8.self) }
        #expect(errors?.hasSuffix("qdemo: error: standard output: cannot write: no space left on device\n") == true)
    }

    /// Answers no when a file it opens becomes one of the standard streams.
    private static let opener = Tool(
        "qopen", version: "1",
        command: Command(summary: "open a file", example: "qopen") { _, _ in open("/dev/null", O_RDONLY) > 2 ? .done : .no })

    @Test func closedStandardStreamIsNeverAFileOpenedLater() async {
        for number in [0, 1, 2] as [Int32] {
            await #expect(processExitsWith: .exitCode(0)) { [number = number as Int32] in
                close(number)
                exit(Self.opener.run(["qopen"]))
            }
        }
    }
}
