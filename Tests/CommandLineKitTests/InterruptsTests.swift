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

    @Test func closedPipeEndsTheToolBySignal() async {
        await #expect(processExitsWith: .signal(SIGPIPE)) {
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            dup2(ends[1], 1)
            close(ends[0])
            exit(DemoTool.tool.run(["qdemo", "layers", "a"]))
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

    @Test func closedStandardOutputIsNeverAFileOpenedLater() async {
        await #expect(processExitsWith: .exitCode(2)) {
            close(1)
            exit(DemoTool.tool.run(["qdemo", "layers", "a"]))
        }
    }
}
