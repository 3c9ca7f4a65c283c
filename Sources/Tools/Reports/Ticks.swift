import Platform

/// Round numbers beside an axis.
enum Ticks {
    /// 0 and a few round steps, the last of which is not below `largest`.
    static func upTo(_ largest: Double) -> [Double] {
        guard largest > 0, largest.isFinite else { return [] }
        let step = roundStep(largest / 4) { $0 >= largest / 4 }
        return (0...Int((largest / step).rounded(.up))).map { Double($0) * step }
    }

    /// Round numbers, five or so, from at or below `low` to at or above `high`; two at least.
    static func between(_ low: Double, _ high: Double) -> [Double] {
        let span = max(high - low, 1e-6)
        let step = roundStep(span / 5) { span / $0 <= 6 }
        let first = (low / step).rounded(.down), last = (high / step).rounded(.up)
        return (0...Int(max(1, last - first))).map { (first + Double($0)) * step }
    }

    /// 1, 2 and 5 times powers of ten, or those powers alone where that would be too many.
    static func logarithmic(_ low: Double, _ high: Double) -> [Double] {
        let powers = Int(floor(log10(low)))...Int(floor(log10(high))) + 1
        let factors = powers.count > 5 ? [1.0] : [1, 2, 5]
        let all = powers.flatMap { power in factors.map { $0 * pow(10, Double(power)) } }
        let first = all.lastIndex { $0 <= low } ?? 0, last = all.firstIndex { $0 >= high } ?? all.count - 1
        return Array(all[first...last])
    }

    /// The first of 1, 2, 5 and 10 times the power of ten below `rough` that is large enough.
    private static func roundStep(_ rough: Double, isEnough: (Double) -> Bool) -> Double {
        let power = pow(10, floor(log10(rough)))
        return [1, 2, 5, 10].map { $0 * power }.first(where: isEnough) ?? 10 * power
    }
}
