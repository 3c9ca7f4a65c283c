import Platform

/// A finished child process: how long it took and how much memory it had.
struct Process {
    /// Wall-clock seconds.
    let seconds: Double
    /// Most resident memory, in bytes.
    let peakMemory: Int

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Runs a command; any other exit status than 0 is an error.
    ///
    /// - Parameter output: the file that standard output goes to; by default it is thrown away.
    init(_ command: [String], output: String = "/dev/null") throws {
        let start = Self.time
        let (process, code) = ChildProcess.start(command, output: output)
        guard code == 0 else { throw Failure(description: "\(command[0]) cannot be started: \(String(cString: strerror(code)))") }
        var status: Int32 = 0
        var usage = rusage()
        guard wait4(process, &status, 0, &usage) == process else { throw Failure(description: "\(command[0]) was lost") }
        seconds = Self.time - start
        peakMemory = ProcessMemory.peakByteCount(of: usage)
        guard status == 0 else { throw Failure(description: "'\(command.joined(separator: " "))' ended with status \(status)") }
    }

    private static var time: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
