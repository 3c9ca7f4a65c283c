package import TensorCore

/// The order in which tensors are laid out in a file that we write.
///
/// By the largest power of two, at most 64, that divides the byte count, greatest first, then in the natural order of
/// names. What comes before a tensor is then a multiple of its own alignment: every tensor is naturally aligned, and
/// every one whose bytes are a multiple of 64 starts a cache line (the data section does too).
package enum StorageOrder {
    /// Indices of `tensors` in the order of the file.
    package static func indices(of tensors: [TensorInfo]) -> [Int] {
        naturalOrder(of: tensors.map(\.name)).enumerated()
            .sorted { (-alignment(of: tensors[$0.element]), $0.offset) < (-alignment(of: tensors[$1.element]), $1.offset) }
            .map(\.element)
    }

    /// The largest power of two, at most 64, that divides the byte count.
    static func alignment(of info: TensorInfo) -> Int {
        info.byteCount == 0 ? 64 : min(64, info.byteCount & -info.byteCount)
    }

    /// Indices of `names` in natural order.
    static func naturalOrder(of names: [String]) -> [Int] {
        names.indices.sorted { NaturalOrder.precedes(names[$0], names[$1]) }
    }
}
