package import TensorCore

/// The order in which tensors are laid out in a file that we write.
///
/// By the largest power of two, at most 64, that divides the byte count, greatest first, then in the natural order of
/// names. What comes before a tensor is then a multiple of its own alignment: every tensor is naturally aligned, and
/// every one whose bytes are a multiple of 64 starts a cache line (the data section does too).
package enum StorageOrder {
    /// Indices of `tensors` in the order of the file.
    package static func indices(of tensors: [TensorInfo]) -> [Int] {
        let byAlignment = Dictionary(grouping: naturalOrder(of: tensors)) { alignment(of: tensors[$0]) }
        return byAlignment.keys.sorted(by: >).flatMap { byAlignment[$0] ?? [] }
    }

    /// The largest power of two, at most 64, that divides the byte count.
    static func alignment(of info: TensorInfo) -> Int {
        info.byteCount == 0 ? 64 : min(64, info.byteCount & -info.byteCount)
    }

    /// Indices of `tensors` in the natural order of their names.
    static func naturalOrder(of tensors: [TensorInfo]) -> [Int] {
        tensors.indices.sorted { NaturalOrder.precedes(tensors[$0].name, tensors[$1].name) }
    }

    /// Indices of `names` in natural order.
    static func naturalOrder(of names: [String]) -> [Int] {
        names.indices.sorted { NaturalOrder.precedes(names[$0], names[$1]) }
    }
}
