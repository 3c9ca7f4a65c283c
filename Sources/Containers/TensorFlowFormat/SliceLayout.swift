/// Where the bytes of a slice lie among the bytes of its tensor, both row-major.
///
/// In a tensor [4, 6] the slice [1...2, 2...4] takes the bytes (of elements of one byte)
///
///     .  .  .  .  .  .
///     .  .  0  1  2  .        a run of 3 bytes, contiguous in both
///     .  .  3  4  5  .
///     .  .  .  .  .  .
///
/// Row-major order of the tensor, restricted to the slice, is the order of the slice: the bytes of any range of the tensor
/// that belong to the slice are contiguous in the slice. One read fetches them, then runs are copied to their places.
struct SliceLayout: Hashable, Sendable {
    /// Outer dimensions of the tensor, outermost first; the inner ones are folded into runs.
    private let outer: [Axis]
    /// Where a run begins within the innermost axis, in bytes, and how long that axis is in the tensor.
    private let runStart: Int
    private let rowByteCount: Int
    /// Bytes that are contiguous in slice and tensor.
    let runByteCount: Int
    /// Position in the tensor of the first byte of the slice, and the one past its last byte.
    let range: Range<Int>

    private struct Axis: Hashable, Sendable {
        let start: Int
        let length: Int
        /// Bytes between neighbours along this axis in the tensor, and in the slice.
        let tensorStride: Int
        let sliceStride: Int
    }

    /// For a tensor that has elements, and a slice of it that has some too.
    init(_ box: SliceBox, dimensions: [Int], elementByteCount: Int) {
        var axis = dimensions.count
        var rowByteCount = elementByteCount
        var runByteCount = elementByteCount
        var runStart = 0
        // Whole dimensions, from the last one on, and then the first that is not whole make up a run.
        while axis > 0, runByteCount == rowByteCount {
            axis -= 1
            runStart = box.starts[axis] * rowByteCount
            runByteCount = box.lengths[axis] * rowByteCount
            rowByteCount *= dimensions[axis]
        }
        self.rowByteCount = rowByteCount
        self.runByteCount = runByteCount
        self.runStart = runStart
        var outer: [Axis] = []
        var tensorStride = rowByteCount
        var sliceStride = runByteCount
        while axis > 0 {
            axis -= 1
            outer.append(
                Axis(
                    start: box.starts[axis], length: box.lengths[axis], tensorStride: tensorStride, sliceStride: sliceStride))
            tensorStride *= dimensions[axis]
            sliceStride *= box.lengths[axis]
        }
        self.outer = outer.reversed()
        let first = outer.reduce(runStart) { $0 + $1.start * $1.tensorStride }
        let last = outer.reduce(runStart) { $0 + ($1.start + $1.length - 1) * $1.tensorStride }
        range = first..<last + runByteCount
    }

    /// Bytes of the slice that come before `position` of the tensor.
    func byteCount(before position: Int) -> Int {
        var rest = position
        var count = 0
        for axis in outer {
            let coordinate = rest / axis.tensorStride
            rest %= axis.tensorStride
            if coordinate < axis.start { return count }
            if coordinate >= axis.start + axis.length { return count + axis.length * axis.sliceStride }
            count += (coordinate - axis.start) * axis.sliceStride
        }
        return count + min(max(rest - runStart, 0), runByteCount)
    }

    /// Position in the tensor of byte `offset` of the slice.
    func position(ofByte offset: Int) -> Int {
        var rest = offset
        var position = runStart
        for axis in outer {
            position += (axis.start + rest / axis.sliceStride) * axis.tensorStride
            rest %= axis.sliceStride
        }
        return position + rest
    }
}
