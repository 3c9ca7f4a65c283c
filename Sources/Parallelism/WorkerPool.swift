import CSystem
import Glibc
import Synchronization

/// Threads that stay, for loops whose iterations are independent.
///
/// Iterations are handed out in order, one at a time, to whichever thread is free; each writes only what belongs to
/// its index, so results do not depend on the number of threads. The calling thread works too.
///
/// A pool runs one loop at a time: neither from two threads at once nor from inside of its own loop. A loop inside of
/// another needs a pool of its own.
package final class WorkerPool: Sendable {
    package let threadCount: Int
    private let state = PoolState()
    private let threads: Mutex<[pthread_t]>

    /// - Parameter threadCount: at least 1; nil for the processors this process may run on.
    package init(threadCount: Int? = nil) {
        let count = max(1, threadCount ?? Self.availableProcessorCount)
        self.threadCount = count
        var started: [pthread_t] = []
        for worker in 1..<count {
            let start = Unmanaged.passRetained(WorkerStart(state: state, worker: worker))
            var thread = pthread_t()
            let status = pthread_create(
                &thread, nil,
                { argument in
                    guard let argument else { return nil }
                    let start = Unmanaged<WorkerStart>.fromOpaque(argument).takeRetainedValue()
                    start.state.serve(worker: start.worker)
                    return nil
                }, start.toOpaque())
            // Fewer threads than asked for do the same work: the caller and those that started take every index.
            if status == 0 { started.append(thread) } else { start.release() }
        }
        threads = Mutex(started)
    }

    deinit {
        state.stop()
        threads.withLock { for thread in $0 { pthread_join(thread, nil) } }
    }

    /// Processors that this process may run on: not more than `taskset`, a batch system or a container leaves it.
    package static var availableProcessorCount: Int { max(1, Int(processorCount())) }

    /// Runs `body(index, worker)` for every index below `count` and returns when all are done.
    ///
    /// `worker` is below `threadCount` and never runs two iterations at once: it selects scratch memory.
    /// After a throw no further index is started; of several errors the one of the lowest index is thrown, so that the
    /// same input always reports the same problem.
    package func forEach(count: Int, _ body: (_ index: Int, _ worker: Int) throws -> Void) throws {
        guard count > 0 else { return }
        try withoutActuallyEscaping(body) { escaping in
            let loop = Loop(count: count, body: escaping)
            if threadCount > 1, count > 1 { state.publish(loop) }
            loop.work(as: 0)
            if threadCount > 1, count > 1 { state.finish(loop) }
            if let error = loop.failure.withLock({ $0?.error }) { throw error }
        }
    }
}

private final class WorkerStart {
    let state: PoolState
    let worker: Int

    init(state: PoolState, worker: Int) {
        self.state = state
        self.worker = worker
    }
}

/// One parallel loop in progress.
private final class Loop: Sendable {
    struct Failure {
        let index: Int
        let error: any Error
    }

    let count: Int
    let failure = Mutex<Failure?>(nil)
    private let next = Atomic<Int>(0)
    // The body outlives no loop: `forEach` returns only after every worker has left it.
    nonisolated(unsafe) private let body: (Int, Int) throws -> Void

    init(count: Int, body: @escaping (Int, Int) throws -> Void) {
        self.count = count
        self.body = body
    }

    func work(as worker: Int) {
        while true {
            let index = next.add(1, ordering: .relaxed).oldValue
            guard index < count else { return }
            do {
                try body(index, worker)
            } catch {
                next.store(count, ordering: .relaxed)
                failure.withLock { current in
                    if index < current?.index ?? .max { current = Failure(index: index, error: error) }
                }
            }
        }
    }
}

/// What the threads of a pool share: the loop to work on, and who is in it.
private final class PoolState: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var loop: Loop?
    private var generation = 0
    private var activeCount = 0
    private var isStopping = false

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(changed)
        mutex.deallocate()
        changed.deallocate()
    }

    func publish(_ loop: Loop) {
        pthread_mutex_lock(mutex)
        precondition(self.loop == nil, "a pool runs one loop at a time")
        self.loop = loop
        generation += 1
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
    }

    /// Takes the loop away from threads that have not joined it and waits for those that have.
    func finish(_ loop: Loop) {
        pthread_mutex_lock(mutex)
        self.loop = nil
        while activeCount > 0 { pthread_cond_wait(changed, mutex) }
        pthread_mutex_unlock(mutex)
    }

    func stop() {
        pthread_mutex_lock(mutex)
        isStopping = true
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
    }

    func serve(worker: Int) {
        var served = 0
        pthread_mutex_lock(mutex)
        while !isStopping {
            guard let loop, generation != served else {
                pthread_cond_wait(changed, mutex)
                continue
            }
            served = generation
            activeCount += 1
            pthread_mutex_unlock(mutex)
            loop.work(as: worker)
            pthread_mutex_lock(mutex)
            activeCount -= 1
            pthread_cond_broadcast(changed)
        }
        pthread_mutex_unlock(mutex)
    }
}
