import Platform
import Synchronization

/// The first signal that came; 0 before it, -1 before `start`. The handler can reach nothing but globals.
private let pendingSignal = Atomic<Int32>(-1)
/// Whether SIGINT is only noted at the moment, and whether one was.
private let absorbsInterrupts = Atomic<Bool>(false)
private let isInterrupted = Atomic<Bool>(false)
/// Rung by the handler; made by `start`, before any handler runs.
private let wakeUp = SignalBell()

/// Cleans up before SIGINT, SIGTERM or SIGHUP ends the process, and then lets the signal end it, so that
/// a shell sees 130 or 143 and stops its script too.
///
/// The handler only rings a bell; cleanup runs on a thread of its own, where it may lock and allocate. Waiting
/// with `sigwait` would not do: it needs the signals blocked in every thread, and OpenBLAS starts
/// its threads before `main`. A second signal, while cleanup hangs, ends the process at once.
package final class Interrupts: Sendable {
    private struct Hooks {
        var next = 0
        var cleanups: [(number: Int, run: @Sendable () -> Void)] = []
    }

    private static let signals = [SIGINT, SIGTERM, SIGHUP]
    private let hooks = Mutex(Hooks())

    package init() {}

    /// Registers what to do before a signal ends the process: remove a temporary file, restore a terminal.
    /// The last one registered runs first. It must not register or cancel hooks itself.
    @discardableResult
    package func onTermination(_ cleanup: @escaping @Sendable () -> Void) -> TerminationHook {
        hooks.withLock { hooks in
            hooks.next += 1
            hooks.cleanups.append((hooks.next, cleanup))
            return TerminationHook(number: hooks.next, interrupts: self)
        }
    }

    func cancel(_ number: Int) {
        hooks.withLock { $0.cleanups.removeAll { $0.number == number } }
    }

    /// While `body` lasts, SIGINT does not end the process: it is asked whether one came, and stops by itself.
    func absorbing<Result>(_ body: (_ wasInterrupted: () -> Bool) throws -> Result) rethrows -> Result {
        isInterrupted.store(false, ordering: .sequentiallyConsistent)
        absorbsInterrupts.store(true, ordering: .sequentiallyConsistent)
        defer { absorbsInterrupts.store(false, ordering: .sequentiallyConsistent) }
        return try body { isInterrupted.load(ordering: .sequentiallyConsistent) }
    }

    /// Once a signal has come and cleanup has begun this does not return: whatever fails because of the cleanup is not
    /// told, and the process does not exit before the cleanup is done.
    func passUnlessEnding() {
        hooks.withLock { _ in }
    }

    /// Takes over the signals of this process, and makes writing to a closed pipe (EPIPE) or beyond a file size limit
    /// (EFBIG) an error instead of a death that cleans nothing up. Once per process. Signals that were ignored before (`nohup`, `&`) stay so.
    package func start() {
        let isFirst = pendingSignal.compareExchange(expected: -1, desired: 0, ordering: .sequentiallyConsistent).exchanged
        precondition(isFirst, "the signals of a process can be taken over only once")
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        // Without the thread the signals keep ending the process, only without cleanup.
        guard wakeUp != nil, let watcher = SystemThread({ self.waitForSignal() }) else { return }
        watcher.detach()
        for number in Self.signals { Self.handle(number) }
    }

    /// Ends this process by the signal's default action.
    static func die(by number: Int32) -> Never {
        signal(number, SIG_DFL)
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, number)
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
        raise(number)
        // Only a tracer can have swallowed the signal.
        _exit(128 + number)
    }

    private static func handle(_ number: Int32) {
        if isIgnored(signal: number) { return }
        Platform.handle(signal: number) { number in
            if number == SIGINT, absorbsInterrupts.load(ordering: .sequentiallyConsistent) {
                isInterrupted.store(true, ordering: .sequentiallyConsistent)
                return
            }
            let exchange = pendingSignal.compareExchange(expected: 0, desired: number, ordering: .sequentiallyConsistent)
            if exchange.exchanged { wakeUp?.ring() }
        }
    }

    private func waitForSignal() {
        wakeUp?.wait()
        let number = pendingSignal.load(ordering: .sequentiallyConsistent)
        for number in Self.signals { signal(number, SIG_DFL) }
        // Locked until the end: nobody can believe a hook cancelled that is running.
        hooks.withLock { hooks in
            for cleanup in hooks.cleanups.reversed() { cleanup.run() }
            Self.die(by: number)
        }
    }
}
