/// What `ulimit` tells and sets.
package enum ResourceLimit: Sendable {
    case openFiles
    /// In bytes.
    case fileLength
    /// In bytes.
    case addressSpace

    package enum Value: Hashable, Sendable {
        case unknown, unlimited
        case atMost(Int)
    }

    /// The limit in force for this process.
    package var current: Value {
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return .unknown }
        // "Infinity" is 2^64 - 1 on Linux and 2^63 - 1 on Darwin.
        guard limit.rlim_cur < rlim_t(Int.max) else { return .unlimited }
        return .atMost(Int(limit.rlim_cur))
    }

    #if canImport(Darwin)
        private var resource: Int32 {
            switch self {
            case .openFiles: RLIMIT_NOFILE
            case .fileLength: RLIMIT_FSIZE
            case .addressSpace: RLIMIT_AS
            }
        }
    #else
        private var resource: __rlimit_resource_t {
            switch self {
            case .openFiles: __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
            case .fileLength: __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
            case .addressSpace: __rlimit_resource_t(RLIMIT_AS.rawValue)
            }
        }
    #endif
}
