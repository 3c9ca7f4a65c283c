package import Checkpoints
import Glibc
package import Transformer

/// What running a model takes, before any of it is taken.
package struct MemoryEstimate: Sendable, Hashable {
    /// Weights as they are stored; mapped, so that the system can drop and read them again, but every token needs all of them.
    package let weights: Int
    /// Keys and values of all positions.
    package let cache: Int
    /// Compact head, buffers of a pass, the program itself: an upper bound.
    package let work: Int

    package var total: Int { weights + cache + work }

    /// Buffers of a pass, the program, and its libraries.
    private static let fixedWork = 90 << 20

    /// - Parameters:
    ///   - positions: of the context that is set up.
    ///   - isExact: float32 throughout; else keys and values are in 16 bits, and the head is kept in 8 bits as well.
    package init(_ checkpoint: Checkpoint, _ configuration: ModelConfiguration, positions: Int, isExact: Bool) {
        let cacheElementByteCount = isExact ? 4 : 2
        let head = isExact ? 0 : configuration.vocabularySize * configuration.width * 17 / 16
        weights = checkpoint.storedByteCount
        cache = 2 * configuration.layerCount * positions * configuration.keyValueWidth * cacheElementByteCount
        work = Self.fixedWork + head
    }

    /// What the system could give to this process without swapping, page cache included; nil where it does not say.
    package static var available: Int? {
        guard let text = contents(of: "/proc/meminfo") else { return nil }
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }) else { return nil }
        guard let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else { return nil }
        // A container may leave less than the machine has; its own page cache can be taken back.
        let limit = contents(of: "/sys/fs/cgroup/memory.max").flatMap { Int($0.prefix { $0.isNumber }) } ?? .max
        return min(kilobytes * 1024, limit)
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
