import CommandLineKit
import Synchronization
import TestSupport
import Testing

@Suite struct ProgressTests {
    private static let label = "quantizing h.0.weight"

    @Test(arguments: [
        (80, "quantizing h.0.weight   42%  1.23 GB of 2.92 GB  812 MB/s  3 s left"),
        (60, "quantizing h.0.weight   42%  812 MB/s  3 s left"),
        (40, "quantizing h.0.weight   42%  3 s left"), (30, "quantizing h.0.weight   42%"), (20, "quantizing h.…   42%"),
        (7, "…   42%"),
        (6, " 42%"), (3, ""), (0, ""),
    ])
    func dropsWhatDoesNotFit(width: Int, expected: String) {
        let line = Progress.line(
            label: Self.label, amount: 1_230_000_000, total: 2_920_000_000, unit: .bytes, rate: 812e6, width: width)
        #expect(line == expected)
        #expect(line.displayWidth <= width)
    }

    @Test(arguments: [
        (0, 100, 0.0, "work    0%  0 of 100 steps  0 steps/s"),
        (99, 100, 12.345, "work   99%  99 of 100 steps  12.3 steps/s  1 s left"),
        (999_999, 1_000_000, 1, "work   99%  999,999 of 1,000,000 steps  1 steps/s  1 s left"),
        (100, 100, 1, "work  100%  100 of 100 steps  1 steps/s  0 s left"),
        (120, 100, 1, "work  100%  100 of 100 steps  1 steps/s  0 s left"),
        (0, 0, 0, "work  100%  0 of 0 steps  0 steps/s"),
        (0, 1000, 0.1, "work    0%  0 of 1,000 steps  0.1 steps/s  2 h 47 min left"),
    ])
    func countsThings(amount: Int, total: Int, rate: Double, expected: String) {
        let line = Progress.line(label: "work", amount: amount, total: total, unit: .items("steps"), rate: rate, width: 100)
        #expect(line == expected)
    }

    @Test(arguments: [
        (79, "training   42%  298 of 708 steps  loss 0.1204  8,458 tokens/s  35 s left"),
        (60, "training   42%  loss 0.1204  8,458 tokens/s  35 s left"), (30, "training   42%  35 s left"),
    ])
    func saysHowTheWorkGoesInPlaceOfItsSpeed(width: Int, expected: String) {
        let line = Progress.line(
            label: "training", amount: 298, total: 708, unit: .items("steps"), rate: 11.8, detail: "loss 0.1204  8,458 tokens/s",
            width: width)
        #expect(line == expected)
    }

    /// A clock that the test turns, in milliseconds.
    private final class TestClock: Sendable {
        let milliseconds = Atomic<UInt64>(0)
        func set(_ value: UInt64) { milliseconds.store(value, ordering: .relaxed) }
        var read: Progress.Clock { { self.milliseconds.load(ordering: .relaxed) * 1_000_000 } }
    }

    @Test func drawsAtMostTenTimesASecondAndLeavesNothingBehind() {
        let errors = RecordingSink()
        let terminal = Terminal(isTerminal: true)
        let console = Console(toolName: "q", output: RecordingSink(), errors: errors, errorTerminal: terminal)
        let clock = TestClock()
        let progress = Progress(label: "work\u{7}", total: 1000, unit: .items("steps"), console: console, clock: clock.read)
        for millisecond in UInt64(1)...1000 {
            clock.set(millisecond)
            progress.advance(by: 1)
        }
        progress.finish()
        clock.set(5000)
        progress.advance(by: 1)
        let drawn = errors.text.split(separator: "\r\u{1B}[K", omittingEmptySubsequences: false)
        #expect(drawn.count == 11)
        #expect(drawn.first == "" && drawn.last == "")
        #expect(drawn[1] == "work\\u{7}   20%  200 of 1,000 steps  1e+03 steps/s  1 s left")
        #expect(drawn[9] == "work\\u{7}  100%  1,000 of 1,000 steps  1e+03 steps/s  0 s left")
    }

    @Test func followsTheTerminalsWidth() {
        let errors = RecordingSink()
        let window = ShrinkingWindow()
        let terminal = Terminal(isTerminal: true, width: { window.width() })
        let console = Console(toolName: "q", output: RecordingSink(), errors: errors, errorTerminal: terminal)
        let clock = TestClock()
        let progress = Progress(label: "work", total: 1000, unit: .bytes, console: console, clock: clock.read)
        for millisecond in [300, 600, 900] as [UInt64] {
            clock.set(millisecond)
            progress.advance(by: 300)
        }
        let drawn = errors.text.split(separator: "\r\u{1B}[K").map(String.init)
        #expect(drawn == ["work   30%  300 B of 1.00 kB  1.00 kB/s  1 s left", "work   60%  1 s left", "w…   90%"])
    }

    /// Answers a smaller width every time.
    private final class ShrinkingWindow: Sendable {
        private let widths = Mutex([80, 30, 9])
        func width() -> Int { widths.withLock { $0.removeFirst() } }
    }

    @Test func countsFromManyThreads() async {
        let errors = RecordingSink()
        let console = Console(toolName: "q", output: RecordingSink(), errors: errors, errorTerminal: Terminal(isTerminal: true))
        let clock = TestClock()
        let progress = Progress(label: "work", total: 8000, unit: .items("steps"), console: console, clock: clock.read)
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<1000 { progress.advance(by: 1) } }
            }
        }
        clock.set(1000)
        progress.advance(by: 0)
        #expect(errors.text.contains("8,000 of 8,000 steps"))
    }

    @Test(arguments: [(false, false), (true, true)])
    func staysSilent(isTerminal: Bool, isQuiet: Bool) {
        let errors = RecordingSink()
        let terminal = Terminal(isTerminal: isTerminal)
        let console = Console(toolName: "q", output: RecordingSink(), errors: errors, errorTerminal: terminal)
        console.configure(isQuiet: isQuiet, color: .auto)
        let progress = console.progress("work", total: 10)
        progress.advance(by: 10)
        progress.finish()
        #expect(errors.text == "")
    }
}
