import Platform
import Synchronization

/// How a signal asks the loop to end, and waits until it has saved its state.
package final class StopRequest: Sendable {
    private let isRaised = Atomic<Bool>(false)
    private let isSettled = Atomic<Bool>(false)

    package init() {}

    package var isRequested: Bool { isRaised.load(ordering: .acquiring) }

    /// From the thread that deals with the signal: returns when the loop has settled.
    package func requestAndWait() {
        isRaised.store(true, ordering: .releasing)
        while !isSettled.load(ordering: .acquiring) { usleep(1000) }
    }

    /// From the loop's thread: nothing is left to save.
    package func settle() { isSettled.store(true, ordering: .releasing) }
}
