#if !canImport(Darwin)
    import CSystem
#endif

/// The machine that this process runs on, as its system tells.
package enum Machine {
    /// Processors that this process may run on, at least 1: not more than `taskset`, a batch system or a container leaves it.
    package static var availableProcessorCount: Int {
        #if canImport(Darwin)
            onlineProcessorCount
        #else
            max(1, Int(processorCount()))
        #endif
    }

    package static var onlineProcessorCount: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// As its maker calls it; nil where nothing says.
    package static var processorName: String? {
        #if canImport(Darwin)
            text("machdep.cpu.brand_string")
        #else
            SystemText.contents(of: "/proc/cpuinfo")?.split(separator: "\n").first { $0.hasPrefix("model name") }?
                .split(separator: ":").last.map { String($0.drop { $0 == " " }) }
        #endif
    }

    /// Bytes of memory; nil where nothing says.
    package static var memoryByteCount: Int? {
        #if canImport(Darwin)
            var count: UInt64 = 0, length = MemoryLayout<UInt64>.size
            return sysctlbyname("hw.memsize", &count, &length, nil, 0) == 0 ? Int(clamping: count) : nil
        #else
            return ProcessMemory.kilobytes("MemTotal:", in: SystemText.contents(of: "/proc/meminfo")).map { $0 * 1024 }
        #endif
    }

    /// Bytes that the system could give without swapping, page cache included; nil where nothing says.
    package static var availableMemoryByteCount: Int? {
        #if canImport(Darwin)
            var pages = vm_statistics64_data_t()
            var count = mach_msg_type_number_t(MemoryLayout<vm_statistics64_data_t>.stride / MemoryLayout<integer_t>.stride)
            let status = withUnsafeMutablePointer(to: &pages) { pointer in
                pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
                    host_statistics64(mach_host_self(), HOST_VM_INFO64, $0, &count)
                }
            }
            guard status == KERN_SUCCESS else { return nil }
            return (Int(pages.free_count) + Int(pages.inactive_count)) * Int(getpagesize())
        #else
            return ProcessMemory.kilobytes("MemAvailable:", in: SystemText.contents(of: "/proc/meminfo")).map { $0 * 1024 }
        #endif
    }

    /// Of the kernel; nil where nothing says.
    package static var kernelRelease: String? {
        #if canImport(Darwin)
            text("kern.osrelease")
        #else
            SystemText.contents(of: "/proc/sys/kernel/osrelease").map { String($0.prefix { $0 != "\n" }) }
        #endif
    }

    /// Names under which OpenBLAS is looked for while a program runs.
    package static var openBLASNames: [String] {
        #if canImport(Darwin)
            [
                "libopenblas.0.dylib", "/opt/homebrew/opt/openblas/lib/libopenblas.0.dylib",
                "/usr/local/opt/openblas/lib/libopenblas.0.dylib",
            ]
        #else
            ["libopenblas.so.0"]
        #endif
    }

    /// Columns of the terminal behind a descriptor; nil where there is none or it does not say.
    package static func columnCount(ofTerminal descriptor: Int32) -> Int? {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    #if canImport(Darwin)
        private static func text(_ name: String) -> String? {
            var length = 0
            guard sysctlbyname(name, nil, &length, nil, 0) == 0, length > 0 else { return nil }
            var bytes = [UInt8](repeating: 0, count: length)
            guard sysctlbyname(name, &bytes, &length, nil, 0) == 0 else { return nil }
            return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    #endif
}
