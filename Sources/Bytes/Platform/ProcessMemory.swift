/// Memory of this process, in bytes.
package enum ProcessMemory {
    /// Most that was resident at any time.
    ///
    /// On Linux by the system's account of this program: `getrusage` counts what the process was before it became it, too, which is a
    /// copy of whoever started it.
    package static var peakByteCount: Int {
        #if !canImport(Darwin)
            if let own = kilobytes("VmHWM:", in: SystemText.contents(of: "/proc/self/status")) { return own * 1024 }
        #endif
        var usage = rusage()
        #if canImport(Darwin)
            getrusage(RUSAGE_SELF, &usage)
        #else
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        #endif
        return peakByteCount(of: usage)
    }

    /// Most that was resident in a process that has ended.
    package static func peakByteCount(of usage: rusage) -> Int {
        #if canImport(Darwin)
            Int(usage.ru_maxrss)
        #else
            Int(usage.ru_maxrss) * 1024
        #endif
    }

    /// Addresses in use, whatever lies behind them; 0 where nothing says.
    package static var mappedByteCount: Int {
        #if canImport(Darwin)
            var information = mach_task_basic_info()
            var count = mach_msg_type_number_t(MemoryLayout<mach_task_basic_info>.stride / MemoryLayout<integer_t>.stride)
            let status = withUnsafeMutablePointer(to: &information) { pointer in
                pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
                    task_info(mach_task_self_, task_flavor_t(MACH_TASK_BASIC_INFO), $0, &count)
                }
            }
            return status == KERN_SUCCESS ? Int(clamping: information.virtual_size) : 0
        #else
            let pages = SystemText.contents(of: "/proc/self/statm")?.split(separator: " ").first.flatMap { Int($0) } ?? 0
            return pages * Int(getpagesize())
        #endif
    }

    /// A line such as `VmHWM:     9876 kB`.
    static func kilobytes(_ label: String, in text: String?) -> Int? {
        guard
            let words = text?.split(separator: "\n").first(where: { $0.hasPrefix(label) })?.split(whereSeparator: {
                $0 == " " || $0 == "\t"
            }),
            words.count == 3, words[2] == "kB"
        else { return nil }
        return Int(words[1])
    }
}
