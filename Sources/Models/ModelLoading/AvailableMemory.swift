import Platform

/// How much memory this process could still take.
package enum AvailableMemory {
    /// Bytes that the system could give without swapping, page cache included, and that no limit on the process or on its
    /// container keeps back; nil where nothing says.
    package static var byteCount: Int? {
        func contents(_ path: String) -> String? { SystemText.contents(of: path) }
        let group = controlGroup(text: contents("/proc/self/cgroup") ?? "", contents)
        return [Machine.availableMemoryByteCount, group, addressSpace()].compactMap(\.self).min()
    }

    /// What `ulimit -v` leaves: mapped weights count there too.
    private static func addressSpace() -> Int? {
        guard case .atMost(let limit) = ResourceLimit.addressSpace.current else { return nil }
        return max(0, limit - ProcessMemory.mappedByteCount)
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
}
