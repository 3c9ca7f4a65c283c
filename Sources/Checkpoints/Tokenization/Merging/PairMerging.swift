/// Byte pair encoding of one word: as long as any two neighbours can be merged, the pair of lowest rank is, of several
/// such pairs the leftmost.
///
/// Memory is kept from word to word.
struct PairMerging: Sendable {
    /// Up to this many symbols, looking for the best pair again after every merge is fastest.
    private static let shortCount = 48

    /// The word: symbols before, tokens after merging.
    var symbols: [TokenID] = []
    /// By position: the merge with the right neighbour.
    private var entries: [MergeTable.Entry] = []
    /// By position: the neighbour's position, -1 at the ends.
    private var next: [Int32] = []
    private var previous: [Int32] = []
    private var heap: [UInt64] = []

    mutating func mergeAll(_ merges: MergeTable) {
        guard symbols.count > 1 else { return }
        if symbols.count <= Self.shortCount { mergeShort(merges) } else { mergeLong(merges) }
    }

    private mutating func mergeShort(_ merges: MergeTable) {
        entries.removeAll(keepingCapacity: true)
        for i in 1..<symbols.count { entries.append(merges.entry(symbols[i - 1], symbols[i])) }
        while true {
            var best = -1
            var bestRank = MergeTable.rank(MergeTable.none)
            for i in entries.indices where MergeTable.rank(entries[i]) < bestRank {
                best = i
                bestRank = MergeTable.rank(entries[i])
            }
            guard best >= 0 else { return }
            symbols[best] = MergeTable.result(entries[best])
            symbols.remove(at: best + 1)
            entries.remove(at: best)
            if best > 0 { entries[best - 1] = merges.entry(symbols[best - 1], symbols[best]) }
            if best < entries.count { entries[best] = merges.entry(symbols[best], symbols[best + 1]) }
        }
    }

    /// A heap of candidates over a linked list: n log n, for words that hostile or unbroken text makes long.
    private mutating func mergeLong(_ merges: MergeTable) {
        let count = symbols.count
        next = (1...count).map { $0 == count ? -1 : Int32($0) }
        previous = (-1..<count - 1).map { Int32($0) }
        heap.removeAll(keepingCapacity: true)
        for i in 0..<count - 1 { push(pairAt: i, merges) }
        while let candidate = popHeap() {
            let position = Int(candidate & 0xffff_ffff)
            let right = Int(next[position])
            guard symbols[position] != Self.absorbed, right >= 0 else { continue }
            // What was pushed for a pair that has changed since is no candidate any more.
            let entry = merges.entry(symbols[position], symbols[right])
            guard MergeTable.rank(entry) == candidate >> 32, entry != MergeTable.none else { continue }
            symbols[position] = MergeTable.result(entry)
            symbols[right] = Self.absorbed
            next[position] = next[right]
            if next[right] >= 0 { previous[Int(next[right])] = Int32(position) }
            if previous[position] >= 0 { push(pairAt: Int(previous[position]), merges) }
            push(pairAt: position, merges)
        }
        symbols.removeAll { $0 == Self.absorbed }
    }

    /// A symbol that its left neighbour has taken in.
    private static let absorbed = TokenID.min

    private mutating func push(pairAt position: Int, _ merges: MergeTable) {
        let right = Int(next[position])
        guard right >= 0 else { return }
        let entry = merges.entry(symbols[position], symbols[right])
        guard entry != MergeTable.none else { return }
        pushHeap(MergeTable.rank(entry) << 32 | UInt64(position))
    }

    private mutating func pushHeap(_ value: UInt64) {
        var hole = heap.count
        heap.append(value)
        while hole > 0 {
            let parent = (hole - 1) / 2
            guard heap[parent] > value else { break }
            heap[hole] = heap[parent]
            hole = parent
        }
        heap[hole] = value
    }

    private mutating func popHeap() -> UInt64? {
        guard let last = heap.popLast() else { return nil }
        guard let top = heap.first else { return last }
        var hole = 0
        while true {
            var child = 2 * hole + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            guard heap[child] < last else { break }
            heap[hole] = heap[child]
            hole = child
        }
        heap[hole] = last
        return top
    }
}
