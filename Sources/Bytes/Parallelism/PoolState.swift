import CSystem
import Platform
import Synchronization

/// What the threads of a pool share: the loop to work on, and who is in it.
///
/// Who waits looks at an atomic counter for `spinCount` pauses first, which costs a microsecond where a sleeping thread
/// takes fifty to wake. The mutex is held for a few instructions only, so a thread that meets another there spins too.
final class PoolState: @unchecked Sendable {
    private let spinCount: Int
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    // Guarded by the mutex.
    private var loop: Unmanaged<AnyLoop>?
    private var isStopping = false
    /// Workers asleep or about to be.
    private let sleeperCount = Atomic<Int>(0)
    /// Loops published so far.
    private let generation = Atomic<Int>(0)
    /// Workers inside of the loop. Rises under the mutex only, falls without it.
    private let activeCount = Atomic<Int>(0)
    /// Whether the caller sleeps until the last worker has left.
    private let isFinishing = Atomic<Bool>(false)

    init(spinCount: Int) {
        self.spinCount = spinCount
        initializeBriefMutex(mutex)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(changed)
        mutex.deallocate()
        changed.deallocate()
    }

    func publish(_ loop: AnyLoop) {
        pthread_mutex_lock(mutex)
        precondition(self.loop == nil, "a pool runs one loop at a time")
        self.loop = .passUnretained(loop)
        pthread_mutex_unlock(mutex)
        // Spinning threads run for the mutex at once: it is free by then. Who is about to sleep has counted itself before
        // its last look at the generation, so either it sees this one or it is seen here.
        generation.add(1, ordering: .sequentiallyConsistent)
        if sleeperCount.load(ordering: .sequentiallyConsistent) > 0 { wake() }
    }

    /// Takes the loop away from threads that have not joined it and waits for those that have.
    func finish() {
        pthread_mutex_lock(mutex)
        loop = nil
        pthread_mutex_unlock(mutex)
        for _ in 0..<spinCount {
            if activeCount.load(ordering: .acquiring) == 0 { return }
            spinPause()
        }
        pthread_mutex_lock(mutex)
        isFinishing.store(true, ordering: .sequentiallyConsistent)
        while activeCount.load(ordering: .sequentiallyConsistent) > 0 { pthread_cond_wait(changed, mutex) }
        isFinishing.store(false, ordering: .sequentiallyConsistent)
        pthread_mutex_unlock(mutex)
    }

    func stop() {
        pthread_mutex_lock(mutex)
        isStopping = true
        pthread_mutex_unlock(mutex)
        generation.add(1, ordering: .sequentiallyConsistent)
        wake()
    }

    /// Works on every loop that is published until the pool ends.
    func serve(worker: Int) {
        var served = 0
        while true {
            spin(at: served)
            switch join(after: &served) {
            case .loop(let loop):
                // No reference outlasts this: the caller, who holds the loop, goes on once the last worker has left it.
                loop._withUnsafeGuaranteedRef { $0.work(as: worker) }
                leave()
            case .nothing: continue
            case .end: return
            }
        }
    }

    private func spin(at served: Int) {
        var spins = 0
        while spins < spinCount, generation.load(ordering: .acquiring) == served {
            spinPause()
            spins += 1
        }
    }

    private enum Arrival {
        case loop(Unmanaged<AnyLoop>)
        /// It was over already.
        case nothing
        case end
    }

    /// Sleeps until there is another loop than the one served last.
    private func join(after served: inout Int) -> Arrival {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        sleeperCount.add(1, ordering: .sequentiallyConsistent)
        defer { sleeperCount.subtract(1, ordering: .sequentiallyConsistent) }
        while !isStopping {
            let current = generation.load(ordering: .sequentiallyConsistent)
            if current != served {
                served = current
                guard let loop else { return .nothing }
                activeCount.add(1, ordering: .sequentiallyConsistent)
                return .loop(loop)
            }
            pthread_cond_wait(changed, mutex)
        }
        return .end
    }

    private func leave() {
        let left = activeCount.subtract(1, ordering: .sequentiallyConsistent).newValue
        guard left == 0, isFinishing.load(ordering: .sequentiallyConsistent) else { return }
        wake()
    }

    private func wake() {
        pthread_mutex_lock(mutex)
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
    }
}
