import Glibc

/// Runs something on a thread with a stack as small as threads get that somebody else made.
enum SmallStack {
    static let byteCount = 512 << 10

    private final class Work<Result> {
        let body: () -> Result
        var result: Result?

        init(_ body: @escaping () -> Result) { self.body = body }
    }

    static func run<Result>(_ body: @escaping () -> Result) -> Result? {
        let work = Work(body)
        start { work.result = work.body() }
        return work.result
    }

    private static func start(_ body: @escaping () -> Void) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, byteCount)
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(Work(body)).toOpaque()
        let status = pthread_create(
            &thread, &attributes,
            { argument in
                if let argument { Unmanaged<Work<Void>>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, argument)
        precondition(status == 0, "a thread cannot be made: error \(status)")
        pthread_join(thread, nil)
    }
}
