import Platform

/// Measures of how often each of 16 codes is used.
package enum CodeUsage {
    /// Bits of information in a code: the sum of -p log2 p over the shares p.
    package static func entropy(of counts: [UInt64]) -> Double {
        let total = Double(counts.reduce(0, +))
        return counts.reduce(0) { entropy, count in
            guard count > 0 else { return entropy }
            let share = Double(count) / total
            return entropy - share * log2(share)
        }
    }

    /// Share of the codes that stand for zero: one of NF4's, two of FP4's. 0 of no codes.
    package static func zeroShare(of counts: [UInt64], codebook: [Float]) -> Double {
        let total = counts.reduce(0, +)
        let zeros = zip(counts, codebook).reduce(0) { $1.1 == 0 ? $0 + $1.0 : $0 }
        return total == 0 ? 0 : Double(zeros) / Double(total)
    }
}
