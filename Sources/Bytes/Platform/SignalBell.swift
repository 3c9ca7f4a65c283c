/// Wakes a thread from within a signal handler.
///
/// A pipe, as Darwin has no semaphores without names, and a handler may touch neither mutexes nor conditions. Never closed: handlers
/// may come at any time.
package struct SignalBell: Sendable {
    private let output: Int32
    private let input: Int32

    /// - Returns: nil where the process may open no more files.
    package init?() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (output, input) = (ends[0], ends[1])
    }

    /// From the handler; leaves `errno` as it was. Each ring lets one wait return.
    package func ring() {
        let code = errno
        var mark: UInt8 = 1
        while write(input, &mark, 1) < 0, errno == EINTR {}
        errno = code
    }

    /// Returns when it has rung.
    package func wait() {
        var mark: UInt8 = 0
        while read(output, &mark, 1) < 0, errno == EINTR {}
    }
}
