import CKernels

/// The bytes in which two equally long runs differ, as an undo record keeps them.
///
///     0          4                4 + g             end
///     +----------+----------------+-----------------+
///     | g (u32,  | g gaps: zero   | values: the XOR |
///     | little)  | bytes before   | of both, never  |
///     |          | each value     | 0               |
///     +----------+----------------+-----------------+
///
/// A gap of 255 means 255 zero bytes and no value yet. Zero bytes at the end are not counted.
enum SparseDifference {
    /// - Parameters:
    ///   - buffer: room for twice the bytes of one run.
    static func encode(
        _ wanted: UnsafeRawBufferPointer, from found: UnsafeRawBufferPointer, buffer: UnsafeMutableRawBufferPointer
    ) -> [UInt8] {
        let count = wanted.count
        precondition(found.count == count && buffer.count >= 2 * count && count <= Int32.max, "\(count) and \(found.count) bytes")
        guard count > 0, let room = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return [0, 0, 0, 0] }
        let counts = qk_sparse_encode(
            wanted.baseAddress?.assumingMemoryBound(to: UInt8.self), found.baseAddress?.assumingMemoryBound(to: UInt8.self), count, room,
            room + count)
        var bytes = (0..<4).map { UInt8(truncatingIfNeeded: counts.gapCount >> (8 * $0)) }
        bytes.reserveCapacity(4 + counts.gapCount + counts.valueCount)
        bytes += UnsafeRawBufferPointer(rebasing: buffer[..<counts.gapCount])
        bytes += UnsafeRawBufferPointer(rebasing: buffer[count..<count + counts.valueCount])
        return bytes
    }

    /// The longest encoding of the difference of runs of `byteCount` bytes.
    static func byteCountLimit(_ byteCount: Int) -> Int { 4 + 2 * byteCount }

    /// Turns what was found into what is wanted; false where the difference does not fit the bytes, some of which may have
    /// changed then.
    static func apply(_ difference: [UInt8], to bytes: UnsafeMutableRawBufferPointer) -> Bool {
        guard difference.count >= 4 else { return false }
        let gapCount = (0..<4).reduce(0) { $0 | Int(difference[$1]) << (8 * $1) }
        guard gapCount <= difference.count - 4 else { return false }
        let valueCount = difference.count - 4 - gapCount
        return difference.withUnsafeBufferPointer { difference in
            guard let base = difference.baseAddress else { return false }
            return qk_sparse_apply(
                base + 4, gapCount, base + 4 + gapCount, valueCount, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
                == 1
        }
    }
}
