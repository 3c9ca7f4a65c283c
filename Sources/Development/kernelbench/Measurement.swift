import Platform

/// Repeated timing of one thing on the calling thread.
struct Measurement {
    /// Median processor time of one run, in seconds: other processes cost memory bandwidth, but not turns.
    let seconds: Double

    /// Runs `body` once unmeasured, to touch its memory, then nine times.
    init(_ body: () -> Void) {
        body()
        let times = (0..<9).map { _ in
            let start = Self.processorTime
            body()
            return Self.processorTime - start
        }
        seconds = times.sorted()[4]
    }

    private static var processorTime: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

/// Repeated timing of one thing on several threads.
struct ClockMeasurement {
    /// Median of nine runs by the clock, in seconds, after one that is not measured.
    let seconds: Double

    init(_ body: () -> Void) {
        body()
        let clock = ContinuousClock()
        let times = (0..<9).map { _ in clock.measure(body) / .seconds(1) }
        seconds = times.sorted()[4]
    }
}
