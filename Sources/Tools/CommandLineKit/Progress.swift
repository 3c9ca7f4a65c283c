import Platform
import Synchronization

/// One line on the terminal that says how far a long piece of work is: `reading  42%  1.2 GB of 2.9 GB  812 MB/s  2 s left`.
///
/// Workers call `advance(by:)` from any thread; that costs an atomic addition and a look at the clock, and one of them
/// draws when a tenth of a second has passed. Where nobody would see it, it only counts.
package final class Progress: Sendable {
    package enum Unit: Sendable {
        case bytes
        /// Things counted one by one, by their plural: `steps`.
        case items(String)
    }

    /// Nanoseconds that never go back.
    package typealias Clock = @Sendable () -> UInt64

    private struct Drawing {
        var isFinished = false
        var time: UInt64
        var amount = 0
        /// Units per second, smoothed; nil before the first drawing.
        var rate: Double?
        /// Stands in place of the rate.
        var detail: String?
    }

    private static let interval: UInt64 = 100_000_000
    /// Work that is done sooner is not announced at all.
    private static let delay: UInt64 = 200_000_000
    /// How far back the shown rate looks, in seconds.
    private static let memory = 3.0

    private let label: String
    private let total: Int
    private let unit: Unit
    private let console: Console?
    private let clock: Clock
    private let amount = Atomic<Int>(0)
    private let nextDrawing: Atomic<UInt64>
    private let drawing: Mutex<Drawing>

    /// - Parameter console: nil where there is nobody to show it to.
    package init(
        label: String, total: Int, unit: Unit, console: Console?, clock: @escaping Clock = Progress.monotonicTime
    ) {
        self.label = label.terminalSafe
        self.total = total
        self.unit = unit
        self.console = console
        self.clock = clock
        let now = clock()
        nextDrawing = Atomic(now + Self.delay)
        drawing = Mutex(Drawing(time: now))
    }

    /// Counts work that is done. From any thread.
    package func advance(by count: Int) {
        let reached = amount.add(count, ordering: .relaxed).newValue
        guard let console else { return }
        let now = clock()
        let due = nextDrawing.load(ordering: .relaxed)
        guard now >= due else { return }
        // Of the threads that come by at the same time one draws and the others go on working.
        let exchange = nextDrawing.compareExchange(expected: due, desired: now + Self.interval, ordering: .relaxed)
        if exchange.exchanged { draw(reached, now, console) }
    }

    /// Shows how the work goes where its speed would stand: `loss 1.204  412 tokens/s`.
    package func describe(_ detail: String) {
        if console != nil { drawing.withLock { $0.detail = detail.terminalSafe } }
    }

    /// Takes the line away. Whatever is still counted afterwards shows nothing.
    package func finish() {
        guard let console else { return }
        drawing.withLock { $0.isFinished = true }
        console.eraseProgress()
    }

    private func draw(_ reached: Int, _ now: UInt64, _ console: Console) {
        drawing.withLock { drawing in
            guard !drawing.isFinished, now > drawing.time else { return }
            let seconds = Double(now - drawing.time) / 1e9
            let latest = Double(reached - drawing.amount) / seconds
            let weight = drawing.rate == nil ? 1 : seconds / (seconds + Self.memory)
            let rate = (drawing.rate ?? 0) * (1 - weight) + latest * weight
            drawing = Drawing(time: now, amount: reached, rate: rate, detail: drawing.detail)
            // The last column stays free: a full line would wrap, and then could not be erased.
            let width = console.errorTerminal.width - 1
            console.showProgress(
                Self.line(label: label, amount: reached, total: total, unit: unit, rate: rate, detail: drawing.detail, width: width))
        }
    }

    /// The line, with as many of its parts as fit into `width` columns. Percentages are cut, not rounded: 100% is done.
    package static func line(
        label: String, amount: Int, total: Int, unit: Unit, rate: Double, detail: String? = nil, width: Int
    ) -> String {
        let done = min(max(amount, 0), max(total, 0))
        let percent = total > 0 ? Int(Double(done) / Double(total) * 100) : 100
        let share = (percent < 10 ? "  " : percent < 100 ? " " : "") + "\(percent)%"
        let amounts: String, speed: String
        switch unit {
        case .bytes:
            amounts = "\(NumberText.byteCount(done)) of \(NumberText.byteCount(total))"
            speed = NumberText.byteRate(rate)
        case .items(let plural):
            amounts = "\(NumberText.grouped(done)) of \(NumberText.grouped(total)) \(plural)"
            speed = "\(NumberText.significant(rate, digits: 3)) \(plural)/s"
        }
        var parts = [label, share, amounts, detail ?? speed]
        if rate > 0 { parts.append(remaining(Double(total - done) / rate) + " left") }
        let orders = [[0, 1, 2, 3, 4], [0, 1, 3, 4], [0, 1, 4], [0, 1]]
        for order in orders {
            let line = order.filter(parts.indices.contains).map { parts[$0] }.joined(separator: "  ")
            if line.displayWidth <= width { return line }
        }
        let room = width - share.utf8.count - 2
        // Part of a percentage would be another percentage.
        return room > 0 ? "\(label.truncated(to: room))  \(share)" : share.utf8.count <= width ? share : ""
    }

    private static func remaining(_ seconds: Double) -> String {
        seconds < 59 ? "\(Int(seconds.rounded(.up))) s" : NumberText.duration(seconds: seconds.rounded(.up))
    }

    package static let monotonicTime: Clock = {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
