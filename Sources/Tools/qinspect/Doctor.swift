import ByteIO
import CommandLineKit
import Glibc
import JSONText
import Parallelism
import ToolSupport

let doctorCommand = Command(
    "doctor", summary: "show what this machine offers, and test the kernels on it",
    discussion: """
        Version, commit, instructions in use, processors, memory, limits and OpenBLAS, as a report of a problem should have them; then kernels \
        against their twins in plain C, which have to give the same bits. It takes about a second. Status 1 where a kernel does not.
        """,
    arguments: [], options: [.json], example: "qinspect doctor", run: doctor)

/// `qinspect doctor`.
private func doctor(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let machine = Machine(), outcomes = KernelSelfTest().run()
    let failed = outcomes.filter { !$0.failures.isEmpty }
    guard !arguments.flag("json") else {
        var document = JSONObject(["version": .string(toolVersion), "commit": BuildNote.commit.map { .string($0) } ?? .null])
        for (name, value) in machine.facts { document[name.replacing(" ", with: "_")] = .string(value) }
        document["kernels"] = .array(
            outcomes.map { .object(["name": .string($0.kernel), "ok": .bool($0.failures.isEmpty), "failures": .strings($0.failures)]) })
        document["ok"] = .bool(failed.isEmpty)
        document["seconds"] = .double(measures.seconds)
        try console.writeJSON(document)
        return failed.isEmpty ? .done : .no
    }
    let facts = [("version", toolVersion), ("commit", BuildNote.commit ?? "unknown: 'make build' records it")] + machine.facts
    let width = facts.map(\.0.count).max() ?? 0
    for (name, value) in facts { try console.writeLine(name + String(repeating: " ", count: width - name.count + 2) + value) }
    for outcome in failed {
        try console.writeLine("\(outcome.kernel): \(outcome.failures.joined(separator: " and ")) other than plain C")
    }
    let time = NumberText.duration(seconds: measures.seconds)
    try console.writeLine(
        failed.isEmpty
            ? "OK: \(outcomes.count) families of kernels give the bits of plain C (\(time))"
            : "WRONG: \(failed.count) of \(outcomes.count) families of kernels (\(time)): do not trust results of this machine")
    return failed.isEmpty ? .done : .no
}

/// What the system says of itself.
private struct Machine {
    let facts: [(String, String)]

    init() {
        let information = Self.lines("/proc/cpuinfo"), memory = Self.lines("/proc/meminfo")
        func size(_ name: String) -> String? {
            memory.first { $0.hasPrefix(name) }?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map {
                NumberText.byteCount($0 * 1024)
            }
        }
        let model = information.first { $0.hasPrefix("model name") }?.split(separator: ":").last.map { $0.drop { $0 == " " } }
        var facts = [
            ("processor", model.map(String.init) ?? "unknown"), ("instructions", BuildNote.level),
            ("processors", "\(sysconf(Int32(_SC_NPROCESSORS_ONLN))) online, \(WorkerPool.availableProcessorCount) for this process"),
            ("memory", "\(size("MemTotal:") ?? "unknown"), \(size("MemAvailable:") ?? "unknown") available"),
        ]
        let limits = [("open files", RLIMIT_NOFILE, false), ("file size", RLIMIT_FSIZE, true), ("address space", RLIMIT_AS, true)]
        facts.append(("limits", limits.map { "\($0.0) \(Self.limit($0.1, isByteCount: $0.2))" }.joined(separator: ", ")))
        facts.append(("openblas", Self.openBLAS))
        if let release = Self.lines("/proc/sys/kernel/osrelease").first { facts.append(("kernel", release)) }
        facts.append(("c library", Self.text("gnu_get_libc_version", of: dlopen(nil, RTLD_LAZY)) ?? "unknown"))
        self.facts = facts
    }

    private static func limit(_ resource: __rlimit_resource, isByteCount: Bool) -> String {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0 else { return "unknown" }
        guard let count = Int(exactly: limit.rlim_cur) else { return "unlimited" }
        return isByteCount ? NumberText.byteCount(count) : NumberText.grouped(count)
    }

    /// The kernel that OpenBLAS chooses here. This program does not use it: it is looked for as the others would find it.
    private static var openBLAS: String {
        guard let library = dlopen("libopenblas.so.0", RTLD_LAZY | RTLD_LOCAL) else {
            return "not found; qtrain and 'qmerge --combine' need it"
        }
        let version = text("openblas_get_config", of: library)?.split(separator: " ").prefix(2).joined(separator: " ")
        return [version, text("openblas_get_corename", of: library)].compactMap(\.self).joined(separator: ", kernels for ")
    }

    /// What a function of a library without arguments answers; nil where there is none of that name.
    private static func text(_ name: String, of library: UnsafeMutableRawPointer?) -> String? {
        guard let symbol = dlsym(library, name) else { return nil }
        typealias Function = @convention(c) () -> UnsafePointer<CChar>?
        return unsafeBitCast(symbol, to: Function.self)().map { String(cString: $0) }
    }

    private static func lines(_ path: String) -> [String] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var lines: [String] = []
        var buffer = [CChar](repeating: 0, count: 4096)
        while lines.count < 200, fgets(&buffer, Int32(buffer.count), file) != nil {
            let bytes = buffer.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }
            lines.append(String(decoding: bytes, as: UTF8.self))
        }
        return lines
    }
}
