package import TensorCore

/// The order in which tensors are laid out in a file that we write.
///
/// By the largest power of two, at most 64, that divides the byte count, greatest first, then in the natural order of
/// names. What comes before a tensor is then a multiple of its own alignment: every tensor is naturally aligned, and
/// every one whose bytes are a multiple of 64 starts a cache line (the data section does too).
package enum StorageOrder {
    /// Indices of `tensors` in the order of the file.
    package static func indices(of tensors: [TensorInfo]) -> [Int] {
        let rank = naturalRanks(of: tensors.map(\.name))
        return tensors.indices.sorted { (-alignment(of: tensors[$0]), rank[$0]) < (-alignment(of: tensors[$1]), rank[$1]) }
    }

    /// The largest power of two, at most 64, that divides the byte count.
    static func alignment(of info: TensorInfo) -> Int {
        info.byteCount == 0 ? 64 : min(64, info.byteCount & -info.byteCount)
    }

    /// The position of each name in natural order, found once: comparing walks over both names.
    static func naturalRanks(of names: [String]) -> [Int] {
        var ranks = [Int](repeating: 0, count: names.count)
        for (position, index) in names.indices.sorted(by: { NaturalOrder.precedes(names[$0], names[$1]) }).enumerated() {
            ranks[index] = position
        }
        return ranks
    }
}
