import Glibc
import Parallelism
import Synchronization
import Testing

@Suite struct WorkerPoolTests {
    struct Problem: Error, Equatable {
        let index: Int
    }

    /// How often each of some indices came up.
    final class Tally: Sendable {
        private let counts: Mutex<[Int]>

        init(count: Int) { counts = Mutex([Int](repeating: 0, count: count)) }

        func add(_ index: Int) { counts.withLock { $0[index] += 1 } }

        var values: [Int] { counts.withLock { $0 } }
    }

    @Test("runs each index exactly once", arguments: 1...8)
    func runsEachIndexOnce(threadCount: Int) throws {
        let pool = WorkerPool(threadCount: threadCount)
        #expect(pool.threadCount == threadCount)
        for count in [0, 1, 2, 3, 7, 8, 9, 100, 1000] {
            let tally = Tally(count: count)
            let workers = Tally(count: threadCount)
            pool.forEach(count: count) { index, worker in
                tally.add(index)
                workers.add(worker)
            }
            #expect(tally.values == [Int](repeating: 1, count: count))
            #expect(workers.values.reduce(0, +) == count)
        }
        pool.forEach(count: -1) { _, _ in Issue.record("there is no index below a negative count") }
    }

    @Test("never runs two iterations of one worker at once", arguments: 1...8)
    func workersAreExclusive(threadCount: Int) throws {
        let pool = WorkerPool(threadCount: threadCount)
        // Not atomic on purpose: two iterations with the same worker would lose additions.
        nonisolated(unsafe) let scratch = UnsafeMutablePointer<Int>.allocate(capacity: threadCount * 64)
        defer { scratch.deallocate() }
        scratch.initialize(repeating: 0, count: threadCount * 64)
        for _ in 0..<20 { pool.forEach(count: 5000) { _, worker in scratch[worker * 64] += 1 } }
        #expect((0..<threadCount).reduce(0) { $0 + scratch[$1 * 64] } == 100_000)
    }

    /// All threads have to be in the loop at the same time, or it never ends.
    @Test("works on every thread", arguments: [2, 3, 8])
    func worksOnEveryThread(threadCount: Int) throws {
        let pool = WorkerPool(threadCount: threadCount)
        for _ in 0..<3 {
            let arrived = Mutex(Set<Int>())
            pool.forEach(count: threadCount) { _, worker in
                arrived.withLock { _ = $0.insert(worker) }
                while arrived.withLock({ $0.count }) < threadCount { sched_yield() }
            }
            #expect(arrived.withLock { $0 } == Set(0..<threadCount))
        }
    }

    /// Between loops threads spin for some microseconds, then sleep: no gap may lose one of them.
    @Test("meets on every thread after gaps of any length", arguments: [2, 3])
    func gapsLoseNoThread(threadCount: Int) throws {
        let pool = WorkerPool(threadCount: threadCount)
        for round in 0..<200 {
            let arrived = Atomic<Int>(0)
            pool.forEach(count: threadCount) { _, _ in
                arrived.add(1, ordering: .sequentiallyConsistent)
                while arrived.load(ordering: .sequentiallyConsistent) < threadCount { sched_yield() }
            }
            #expect(arrived.load(ordering: .sequentiallyConsistent) == threadCount)
            // Around the time that spinning takes, which depends on the processor.
            if round % 3 > 0 { usleep(UInt32(round * 7 % 200)) }
        }
    }

    @Test func idleThreadsSleep() throws {
        let threadCount = 3
        let pool = WorkerPool(threadCount: threadCount)
        func secondsOfEachThread() -> [pthread_t: Double] {
            let seconds = Mutex([pthread_t: Double]())
            let arrived = Atomic<Int>(0)
            pool.forEach(count: threadCount) { _, _ in
                var time = timespec()
                clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
                seconds.withLock { $0[pthread_self()] = Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec) }
                arrived.add(1, ordering: .sequentiallyConsistent)
                while arrived.load(ordering: .sequentiallyConsistent) < threadCount { sched_yield() }
            }
            return seconds.withLock { $0 }
        }
        let before = secondsOfEachThread()
        usleep(300_000)
        let after = secondsOfEachThread()
        #expect(before.count == threadCount)
        for (thread, seconds) in after where thread != pthread_self() {
            #expect(seconds - (before[thread] ?? 0) < 0.1)
        }
    }

    @Test("throws the error of the lowest index", arguments: 1...8)
    func lowestErrorWins(threadCount: Int) throws {
        let pool = WorkerPool(threadCount: threadCount)
        for round in 0..<200 {
            let failing = Set([17, 18, 19, 23, 40 + round % 7, 99])
            let error = #expect(throws: Problem.self) {
                try pool.forEach(count: 100) { index, _ in
                    // The lowest one is often the last to fail.
                    if index == 17 { usleep(UInt32(round % 4) * 50) }
                    if failing.contains(index) { throw Problem(index: index) }
                }
            }
            #expect(error == Problem(index: 17))
        }
    }

    @Test func startsNothingAfterAnError() throws {
        let tally = Tally(count: 1000)
        #expect(throws: Problem(index: 3)) {
            try WorkerPool(threadCount: 1).forEach(count: 1000) { index, _ in
                tally.add(index)
                if index == 3 { throw Problem(index: index) }
            }
        }
        #expect(tally.values == [1, 1, 1, 1] + [Int](repeating: 0, count: 996))
        // With several threads each may be in one more.
        let parallel = Tally(count: 100_000)
        #expect(throws: Problem(index: 0)) {
            try WorkerPool(threadCount: 4).forEach(count: 100_000) { index, _ in
                parallel.add(index)
                if index == 0 { throw Problem(index: index) }
                usleep(10)
            }
        }
        #expect(parallel.values.reduce(0, +) < 50_000)
    }

    @Test func anErrorLeavesThePoolUsable() throws {
        let pool = WorkerPool(threadCount: 3)
        for _ in 0..<100 {
            #expect(throws: Problem.self) { try pool.forEach(count: 10) { index, _ in throw Problem(index: index) } }
            let tally = Tally(count: 10)
            pool.forEach(count: 10) { index, _ in tally.add(index) }
            #expect(tally.values == [Int](repeating: 1, count: 10))
        }
    }

    @Test func aLoopInsideAnotherTakesAnotherPool() throws {
        let outer = WorkerPool(threadCount: 3)
        let inner = (0..<3).map { _ in WorkerPool(threadCount: 2) }
        let tally = Tally(count: 600)
        outer.forEach(count: 20) { row, worker in
            inner[worker].forEach(count: 30) { column, _ in tally.add(row * 30 + column) }
        }
        #expect(tally.values == [Int](repeating: 1, count: 600))
        #expect(throws: Problem(index: 4)) {
            try outer.forEach(count: 20) { row, worker in
                try inner[worker].forEach(count: 30) { _, _ in if row >= 4 { throw Problem(index: row) } }
            }
        }
    }

    /// A pool of one thread, and a loop of one iteration, involve no other thread: they may be inside of anything.
    @Test func aLoopOfOneMayBeInsideItsOwnPool() throws {
        let pool = WorkerPool(threadCount: 1)
        let sum = Disjoint(repeating: 0, count: 1)
        pool.forEach(count: 10) { i, _ in pool.forEach(count: 10) { j, _ in sum[0] += i * j } }
        #expect(sum.values == [45 * 45])
    }

    @Test("the order of results does not depend on threads", arguments: 1...8)
    func resultsAreTheSame(threadCount: Int) throws {
        nonisolated(unsafe) let squares = UnsafeMutableBufferPointer<Int>.allocate(capacity: 10_000)
        defer { squares.deallocate() }
        WorkerPool(threadCount: threadCount).forEach(count: 10_000) { index, _ in squares[index] = index * index }
        #expect(squares.elementsEqual((0..<10_000).lazy.map { $0 * $0 }))
    }

    /// Handing out an index costs well under a microsecond, a loop not much more; the limits only tell seconds from ages.
    @Test func overheadIsSmall() throws {
        let pool = WorkerPool(threadCount: 4)
        let clock = ContinuousClock()
        let iterations = clock.measure { pool.forEach(count: 100_000) { _, _ in } }
        #expect(iterations < .seconds(5))
        let loops = clock.measure { for _ in 0..<5000 { pool.forEach(count: 4) { _, _ in } } }
        #expect(loops < .seconds(20))
    }

    /// The value of a field of /proc/self/status.
    private func status(_ field: String) throws -> String {
        let file = try #require(fopen("/proc/self/status", "r"))
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if text.hasPrefix("\(field):") { return String(text.dropFirst(field.count + 1).filter { !$0.isWhitespace }) }
        }
        return ""
    }

    @Test func threadsEndWithTheirPool() throws {
        // Other tests run at the same time and have threads of their own: 400 of these would stand out.
        let before = try #require(Int(status("Threads")))
        for _ in 0..<50 {
            let pool = WorkerPool(threadCount: 5)
            pool.forEach(count: 5) { _, _ in }
        }
        for _ in 0..<50 { _ = WorkerPool(threadCount: 5) }
        #expect(try #require(Int(status("Threads"))) < before + 150)
    }

    @Test func runsOnTheProcessorsThatAreLeftToIt() throws {
        let mask = try status("Cpus_allowed").filter { $0 != "," }
        let permitted = mask.reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount }
        #expect(permitted > 0)
        #expect(WorkerPool.availableProcessorCount == permitted)
        #expect(WorkerPool().threadCount == permitted)
        #expect(WorkerPool(threadCount: 0).threadCount == 1)
        #expect(WorkerPool(threadCount: -3).threadCount == 1)
    }
}
