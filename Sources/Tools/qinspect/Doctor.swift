import ByteIO
import CommandLineKit
import JSONText
import Parallelism
import Platform
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
    let machine = MachineFacts(), outcomes = KernelSelfTest().run()
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
private struct MachineFacts {
    let facts: [(String, String)]

    init() {
        func size(_ byteCount: Int?) -> String { byteCount.map { NumberText.byteCount($0) } ?? "unknown" }
        var facts = [
            ("processor", Machine.processorName ?? "unknown"), ("instructions", BuildNote.level),
            ("processors", "\(Machine.onlineProcessorCount) online, \(WorkerPool.availableProcessorCount) for this process"),
            ("memory", "\(size(Machine.memoryByteCount)), \(size(Machine.availableMemoryByteCount)) available"),
        ]
        let limits: [(String, ResourceLimit)] = [("open files", .openFiles), ("file size", .fileLength), ("address space", .addressSpace)]
        facts.append(("limits", limits.map { "\($0.0) \(Self.text($0.1))" }.joined(separator: ", ")))
        facts.append(("openblas", Self.openBLAS))
        if let release = Machine.kernelRelease { facts.append(("kernel", release)) }
        facts.append(("c library", Self.text("gnu_get_libc_version", of: dlopen(nil, RTLD_LAZY)) ?? "unknown"))
        self.facts = facts
    }

    private static func text(_ limit: ResourceLimit) -> String {
        switch limit.current {
        case .unknown: "unknown"
        case .unlimited: "unlimited"
        case .atMost(let count): limit == .openFiles ? NumberText.grouped(count) : NumberText.byteCount(count)
        }
    }

    /// The kernel that OpenBLAS chooses here. This program does not use it: it is looked for as the others would find it.
    private static var openBLAS: String {
        guard let library = Machine.openBLASNames.lazy.compactMap({ dlopen($0, RTLD_LAZY | RTLD_LOCAL) }).first else {
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
}
