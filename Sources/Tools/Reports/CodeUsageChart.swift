import Inspection

/// How often the 16 codes of one codebook occur in all tensors that use it.
struct CodeUsageChart {
    /// What the codes stand for, in the order of the codes.
    let codebook: [Float]
    let counts: [UInt64]
    let tensorCount: Int

    /// Codebooks that are shown; real models have one.
    private static let limit = 2

    /// One for each codebook, the one used most first.
    static func joined(_ blocks: [BlockStatistics]) -> [CodeUsageChart] {
        Dictionary(grouping: blocks) { $0.codebook.map(\.bitPattern) }.values
            .map { group in
                let counts = group.reduce(into: [UInt64](repeating: 0, count: 16)) { sums, blocks in
                    for (code, count) in blocks.codeCounts.enumerated() { sums[code] += count }
                }
                return CodeUsageChart(codebook: group[0].codebook, counts: counts, tensorCount: group.count)
            }
            .sorted { a, b in
                let (first, second) = (a.counts.reduce(0, +), b.counts.reduce(0, +))
                return first == second ? a.codebook.lexicographicallyPrecedes(b.codebook) : first > second
            }
            .prefix(limit).map { $0 }
    }

    /// Codes in the order of what they stand for.
    var order: [Int] { codebook.indices.sorted { (codebook[$0], $0) < (codebook[$1], $1) } }

    func share(of code: Int) -> Double {
        let total = counts.reduce(0, +)
        return total == 0 ? 0 : Double(counts[code]) / Double(total)
    }
}
