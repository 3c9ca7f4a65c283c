import Synchronization

/// A parallel loop in progress, whatever its body throws.
class AnyLoop {
    /// Takes indices until none is left.
    func work(as worker: Int) { preconditionFailure("a loop has a body") }
}

final class Loop<Failure: Error>: AnyLoop, @unchecked Sendable {
    struct FailedIteration: Sendable {
        let index: Int
        let error: Failure
    }

    let count: Int
    let failure = Mutex<FailedIteration?>(nil)
    private let next = Atomic<Int>(0)
    // The body outlives no loop: `forEach` returns only after every worker has left it.
    private let body: @Sendable (Int, Int) throws(Failure) -> Void

    init(count: Int, body: @escaping @Sendable (Int, Int) throws(Failure) -> Void) {
        self.count = count
        self.body = body
    }

    override func work(as worker: Int) {
        while true {
            let index = next.add(1, ordering: .relaxed).oldValue
            guard index < count else { return }
            do throws(Failure) {
                try body(index, worker)
            } catch {
                next.store(count, ordering: .relaxed)
                failure.withLock { current in
                    if index < current?.index ?? .max { current = FailedIteration(index: index, error: error) }
                }
            }
        }
    }
}
