/// A thread of this process.
package struct SystemThread: @unchecked Sendable {
    private let thread: pthread_t

    private final class Start {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Starts one; nil where the system gives none. It is to be joined or detached.
    package init?(_ body: @escaping @Sendable () -> Void) {
        let start = Unmanaged.passRetained(Start(body))
        #if canImport(Darwin)
            var thread: pthread_t?
            let status = pthread_create(
                &thread, nil,
                { argument in
                    Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body()
                    return nil
                }, start.toOpaque())
            guard status == 0, let thread else {
                start.release()
                return nil
            }
        #else
            var thread = pthread_t()
            let status = pthread_create(
                &thread, nil,
                { argument in
                    if let argument { Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body() }
                    return nil
                }, start.toOpaque())
            guard status == 0 else {
                start.release()
                return nil
            }
        #endif
        self.thread = thread
    }

    /// Waits for its end.
    package func join() { pthread_join(thread, nil) }

    /// Lets it go on by itself.
    package func detach() { pthread_detach(thread) }
}

/// Makes a mutex that is held for a few instructions at a time: whoever finds it taken looks again before it sleeps, where the system
/// has such mutexes.
package func initializeBriefMutex(_ mutex: UnsafeMutablePointer<pthread_mutex_t>) {
    #if canImport(Darwin)
        pthread_mutex_init(mutex, nil)
    #else
        var attributes = pthread_mutexattr_t()
        pthread_mutexattr_init(&attributes)
        pthread_mutexattr_settype(&attributes, Int32(PTHREAD_MUTEX_ADAPTIVE_NP))
        pthread_mutex_init(mutex, &attributes)
        pthread_mutexattr_destroy(&attributes)
    #endif
}
