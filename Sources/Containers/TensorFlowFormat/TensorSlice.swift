/// A part of a tensor: a range along each dimension, or the whole of it.
struct TensorSlice: Hashable, Sendable, CustomStringConvertible {
    struct Extent: Hashable, Sendable {
        let start: Int
        /// Nil for all of the dimension, and then `start` is 0.
        let length: Int?
    }

    let extents: [Extent]

    /// As TensorFlow spells it: `0,7:-` is rows 0 to 6, all columns.
    var description: String {
        extents.map { extent in extent.length.map { "\(extent.start),\($0)" } ?? "-" }.joined(separator: ":")
    }

    /// The slice in numbers within a tensor of these dimensions; nil where it does not lie inside.
    func box(in dimensions: [Int]) -> SliceBox? {
        guard extents.count == dimensions.count else { return nil }
        var starts: [Int] = []
        var lengths: [Int] = []
        for (extent, dimension) in zip(extents, dimensions) {
            let length = extent.length ?? dimension
            guard extent.start >= 0, extent.start <= dimension, length >= 0, length <= dimension - extent.start else {
                return nil
            }
            starts.append(extent.start)
            lengths.append(length)
        }
        return SliceBox(starts: starts, lengths: lengths)
    }
}

/// The place of a slice in its tensor: a start and a length along each dimension.
struct SliceBox: Hashable, Sendable {
    let starts: [Int]
    let lengths: [Int]

    func overlaps(_ other: SliceBox) -> Bool {
        for axis in starts.indices {
            let start = max(starts[axis], other.starts[axis])
            let end = min(starts[axis] + lengths[axis], other.starts[axis] + other.lengths[axis])
            if start >= end { return false }
        }
        return true
    }
}
