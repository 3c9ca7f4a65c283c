#if !canImport(Darwin)
    import CSystem
#endif

/// How a change of names ended.
package enum RenameOutcome: Hashable, Sendable {
    case done
    /// The file system or the kernel cannot do it in one step.
    case notSupported
    /// As an `errno`.
    case failed(Int32)

    private init(_ status: Int32) {
        switch (status, errno) {
        case (0, _): self = .done
        case (_, EINVAL), (_, ENOSYS), (_, ENOTSUP): self = .notSupported
        case (_, let code): self = .failed(code)
        }
    }

    /// Gives what lies at `path` a name that nothing may have yet: `EEXIST` otherwise.
    package static func renaming(_ path: String, toNew place: String) -> RenameOutcome {
        #if canImport(Darwin)
            RenameOutcome(renamex_np(path, place, UInt32(RENAME_EXCL)))
        #else
            RenameOutcome(renameat2(AT_FDCWD, path, AT_FDCWD, place, 1))  // RENAME_NOREPLACE
        #endif
    }

    /// Swaps two names, both of which exist before and after.
    package static func exchanging(_ path: String, _ place: String) -> RenameOutcome {
        #if canImport(Darwin)
            RenameOutcome(renamex_np(path, place, UInt32(RENAME_SWAP)))
        #else
            RenameOutcome(renameat2(AT_FDCWD, path, AT_FDCWD, place, 2))  // RENAME_EXCHANGE
        #endif
    }
}
