import Glibc
import Synchronization

/// A thread that answers a question.
package final class Thread: Sendable {
    private final class Work: Sendable {
        let body: @Sendable () -> Bool
        let answer = Mutex(false)

        init(_ body: @escaping @Sendable () -> Bool) { self.body = body }
    }

    private let work: Work
    private let thread: pthread_t

    package init(_ body: @escaping @Sendable () -> Bool) {
        let work = Work(body)
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                if let argument {
                    let work = Unmanaged<Work>.fromOpaque(argument).takeRetainedValue()
                    let answer = work.body()
                    work.answer.withLock { $0 = answer }
                }
                return nil
            }, Unmanaged.passRetained(work).toOpaque())
        self.work = work
        self.thread = thread
    }

    /// Waits for the answer.
    package func join() -> Bool {
        pthread_join(thread, nil)
        return work.answer.withLock { $0 }
    }
}
