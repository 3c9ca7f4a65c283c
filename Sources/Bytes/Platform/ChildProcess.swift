/// A command run as a process of its own, with nothing to read and nowhere to complain.
package enum ChildProcess {
    /// Starts `command`, which is looked for in `PATH`; standard output goes to a file that begins anew.
    ///
    /// - Returns: its number, or the `errno` of the failure.
    package static func start(_ command: [String], output: String) -> (process: pid_t, code: Int32) {
        #if canImport(Darwin)
            var actions: posix_spawn_file_actions_t?
            let environment = _NSGetEnviron().pointee
        #else
            var actions = posix_spawn_file_actions_t()
            let environment = environ
        #endif
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var process = pid_t()
        let code = posix_spawnp(&process, command[0], &actions, nil, &words, environment)
        return (process, code)
    }
}
