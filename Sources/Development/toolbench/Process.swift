import Glibc

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
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var process = pid_t()
        let start = Self.time
        let code = posix_spawnp(&process, command[0], &actions, nil, &words, environ)
        guard code == 0 else { throw Failure(description: "\(command[0]) cannot be started: \(String(cString: strerror(code)))") }
        var status: Int32 = 0
        var usage = rusage()
        guard wait4(process, &status, 0, &usage) == process else { throw Failure(description: "\(command[0]) was lost") }
        seconds = Self.time - start
        peakMemory = usage.ru_maxrss * 1024
        guard status == 0 else { throw Failure(description: "'\(command.joined(separator: " "))' ended with status \(status)") }
    }

    private static var time: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
