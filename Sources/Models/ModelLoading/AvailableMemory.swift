import Glibc

/// How much memory this process could still take.
package enum AvailableMemory {
    /// Bytes that the system could give without swapping, page cache included, and that no limit on the process or on its
    /// container keeps back; nil where nothing says.
    package static var byteCount: Int? {
        [system(), controlGroup(text: contents(of: "/proc/self/cgroup") ?? "", contents(of:)), addressSpace()].compactMap(\.self).min()
    }

    private static func system() -> Int? {
        let line = contents(of: "/proc/meminfo")?.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
        return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
    }

    /// What `ulimit -v` leaves: mapped weights count there too.
    private static func addressSpace() -> Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, limit.rlim_cur < rlim_t(Int.max) else { return nil }
        let pages = contents(of: "/proc/self/statm").flatMap { $0.split(separator: " ").first.flatMap { Int($0) } } ?? 0
        return max(0, Int(limit.rlim_cur) - pages * Int(getpagesize()))
    }

    /// The lowest limit of the process's control group and of those around it, in either version of them.
    ///
    /// Not less what is in use: the page cache counts there, and can be taken back.
    ///
    /// - Parameters:
    ///   - text: of `/proc/self/cgroup`: `0::/path`, or `4:memory:/path` in version 1.
    ///   - contents: of a file, nil where there is none.
    static func controlGroup(text: String, _ contents: (String) -> String?) -> Int? {
        var limits: [Int] = []
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let isUnified = fields[0] == "0" && fields[1].isEmpty
            guard isUnified || fields[1].split(separator: ",").contains("memory") else { continue }
            let (root, name) = isUnified ? ("/sys/fs/cgroup", "memory.max") : ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            var folders = fields[2].split(separator: "/")[...]
            while true {
                let path = ([root[...]] + folders + [name[...]]).joined(separator: "/")
                // `max`, or in version 1 a number that no machine has, where there is no limit.
                if let limit = contents(path).flatMap({ Int($0.prefix { $0.isNumber }) }) { limits.append(limit) }
                guard folders.popLast() != nil else { break }
            }
        }
        return limits.min()
    }

    private static func contents(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
    }
}
