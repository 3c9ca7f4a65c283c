import ByteIO
import Glibc
import TestSupport
import Testing

/// A tool that runs as a process of its own: what happens to it happens to nobody else.
final class ToolProcess {
    enum Ending: Equatable {
        case exit(Int32)
        case signal(Int32)
    }

    private let id: pid_t
    private let folder: TemporaryFolder
    private var ending: Ending?

    /// Whether the tools, like the tests, are built with a sanitizer.
    static let isSanitized = dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil

    /// Where the tools are: beside the program that runs the tests.
    static let binaries: String = {
        guard let text = realpath("/proc/self/exe", nil) else { return "." }
        defer { free(text) }
        return FilePath.folder(of: String(cString: text))
    }()

    /// - Parameter limits: commands of the shell before the tool begins: `ulimit -f 100`.
    init(_ tool: String, _ arguments: [String], limits: String = "ulimit -S -f unlimited") throws {
        folder = try TemporaryFolder()
        let program = FilePath.join(Self.binaries, tool)
        guard FilePath.kind(of: program) == .file else { throw FileError(program, "is missing; 'swift build' makes it") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (descriptor, name) in [(Int32(1), "output"), (2, "errors")] {
            posix_spawn_file_actions_addopen(&actions, descriptor, folder.path(name), O_WRONLY | O_CREAT, 0o600)
        }
        // Threads of a test have signals blocked, and a process inherits what is blocked.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let words = ["/bin/sh", "-c", limits + "\nexec \"$@\"", "sh", program] + arguments
        var pointers = words.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var started = pid_t()
        let failure = posix_spawn(&started, "/bin/sh", &actions, &attributes, &pointers, environ)
        guard failure == 0 else { throw FileError(program, "cannot be started: \(String(cString: strerror(failure)))") }
        id = started
    }

    deinit {
        kill(SIGKILL)
        _ = wait()
    }

    func kill(_ signal: Int32) {
        if ending == nil { Glibc.kill(id, signal) }
    }

    /// Waits for the end, which a minute at most may be away.
    func wait() -> Ending {
        for _ in 0..<60_000 {
            if let ending = ended() { return ending }
            usleep(1000)
        }
        kill(SIGKILL)
        Issue.record("a tool did not end")
        while ended() == nil { usleep(1000) }
        return .signal(SIGKILL)
    }

    /// Waits until the folder holds an unfinished output of this process; false where it ended before.
    func waitUntilWriting(in folder: String) -> Bool {
        while ended() == nil {
            if (try? FilePath.entries(of: folder))?.contains(where: { $0.contains(".partial-") }) == true { return true }
            usleep(200)
        }
        return false
    }

    /// What it has written to standard error.
    var errors: String { text("errors") }
    /// What it has written to standard output.
    var output: String { text("output") }

    private func text(_ name: String) -> String {
        let bytes = try? InputFile(path: folder.path(name)).allBytes(limit: 1 << 20)
        return String(decoding: bytes ?? [], as: UTF8.self)
    }

    private func ended() -> Ending? {
        if let ending { return ending }
        var status: Int32 = 0
        guard waitpid(id, &status, WNOHANG) == id else { return nil }
        // Low seven bits: the signal that ended it, or 0 and the exit status above them.
        ending = status & 0x7f == 0 ? .exit(status >> 8 & 0xff) : .signal(status & 0x7f)
        return ending
    }
}
