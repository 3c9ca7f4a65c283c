import Platform
import Synchronization

/// Threads that stay, for loops whose iterations are independent.
///
/// Iterations are handed out in order, one at a time, to whichever thread is free; each writes only what belongs to
/// its index, so results do not depend on the number of threads. The calling thread works too.
///
/// Loops may be short: between two of them a thread spins for some ten microseconds before it goes to sleep.
///
/// A pool runs one loop at a time: neither from two threads at once nor from inside of its own loop. A loop inside of
/// another needs a pool of its own.
package final class WorkerPool: Sendable {
    package let threadCount: Int
    private let state: PoolState
    private let threads: Mutex<[SystemThread]>

    /// - Parameter threadCount: at least 1; nil for the processors this process may run on.
    package init(threadCount: Int? = nil) {
        let count = max(1, threadCount ?? Self.availableProcessorCount)
        self.threadCount = count
        // Where threads share a processor, one that spins only keeps the others from their work.
        let state = PoolState(spinCount: count <= Self.availableProcessorCount ? 2000 : 0)
        self.state = state
        var started: [SystemThread] = []
        for worker in 1..<count {
            // Fewer threads than asked for do the same work: the caller and those that started take every index.
            if let thread = SystemThread({ state.serve(worker: worker) }) { started.append(thread) }
        }
        threads = Mutex(started)
    }

    deinit {
        state.stop()
        threads.withLock { for thread in $0 { thread.join() } }
    }

    /// Processors that this process may run on: not more than `taskset`, a batch system or a container leaves it.
    package static var availableProcessorCount: Int { Machine.availableProcessorCount }

    /// Runs `body(index, worker)` for every index below `count` and returns when all are done.
    ///
    /// `worker` is below `threadCount` and never runs two iterations at once: it selects scratch memory.
    /// After a throw no further index is started; of several errors the one of the lowest index is thrown, so that the
    /// same input always reports the same problem.
    package func forEach<Failure: Error>(
        count: Int, _ body: @Sendable (_ index: Int, _ worker: Int) throws(Failure) -> Void
    ) throws(Failure) {
        guard count > 0 else { return }
        let failure = withoutActuallyEscaping(body) { escaping in
            let loop = Loop(count: count, body: escaping)
            if threadCount > 1, count > 1 { state.publish(loop) }
            loop.work(as: 0)
            if threadCount > 1, count > 1 { state.finish() }
            return loop.failure.withLock { $0 }
        }
        if let failure { throw failure.error }
    }

    /// `forEach` for kernels, whose memory lies behind raw pointers.
    ///
    /// The compiler checks nothing of what such a body captures. It is the caller's, who owns the memory and waits here, to give each
    /// index elements of its own to write and each worker scratch memory of its own.
    package func forKernels(count: Int, _ body: (_ index: Int, _ worker: Int) -> Void) {
        nonisolated(unsafe) let body = body
        forEach(count: count) { index, worker in body(index, worker) }
    }
}
