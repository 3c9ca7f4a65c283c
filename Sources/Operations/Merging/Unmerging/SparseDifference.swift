import CKernels
import Compression

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
    /// The difference, in memory of `room`, which has `byteCountLimit` bytes.
    static func encode(
        _ wanted: UnsafeRawBufferPointer, from found: UnsafeRawBufferPointer, room: UnsafeMutableRawBufferPointer
    ) -> UnsafeRawBufferPointer {
        let count = wanted.count
        precondition(
            found.count == count && room.count >= byteCountLimit(count) && count <= Int32.max, "\(count) and \(found.count) bytes")
        guard let base = room.baseAddress else { return UnsafeRawBufferPointer(room) }
        let gaps = base + 4, values = gaps + count
        let counts = qk_sparse_encode(
            wanted.baseAddress?.assumingMemoryBound(to: UInt8.self), found.baseAddress?.assumingMemoryBound(to: UInt8.self), count,
            gaps.assumingMemoryBound(to: UInt8.self), values.assumingMemoryBound(to: UInt8.self))
        base.storeBytes(of: UInt32(counts.gapCount).littleEndian, as: UInt32.self)
        (gaps + counts.gapCount).copyMemory(from: values, byteCount: counts.valueCount)
        return UnsafeRawBufferPointer(start: base, count: 4 + counts.gapCount + counts.valueCount)
    }

    /// How an encoding is compressed: gaps have other bytes than values.
    static func content(of difference: UnsafeRawBufferPointer) -> ZlibStream.Content {
        .numbersInTwoParts(boundary: 4 + Int(UInt32(littleEndian: difference.loadUnaligned(as: UInt32.self))))
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
