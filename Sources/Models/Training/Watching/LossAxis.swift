import Glibc

/// Where losses lie between the bottom (0) and the top (1) of a picture, and the round numbers beside it.
///
/// Logarithmic where the largest is many times the smallest: what happens after the first fall would be a line at the bottom.
struct LossAxis {
    let ticks: [Double]
    let isLogarithmic: Bool

    /// How many times the smallest loss the largest one is on a linear axis at most.
    private static let linearLimit = 8.0

    init(_ losses: [Double]) {
        let finite = losses.filter(\.isFinite)
        let high = finite.max() ?? 1, low = min(finite.min() ?? 0, high)
        isLogarithmic = low > 0 && high / low > Self.linearLimit
        ticks = isLogarithmic ? Self.logarithmicTicks(from: low, to: high) : Self.ticks(from: low, to: high)
    }

    func height(_ loss: Double) -> Double {
        guard let first = ticks.first, let last = ticks.last else { return 0 }
        return isLogarithmic ? log(loss / first) / log(last / first) : (loss - first) / (last - first)
    }

    /// Round numbers, five or so, from at or below `low` to at or above `high`; two at least.
    static func ticks(from low: Double, to high: Double) -> [Double] {
        let span = max(high - low, 1e-6)
        let power = pow(10, floor(log10(span / 5)))
        let step = [1, 2, 5, 10].map { $0 * power }.first { span / $0 <= 6 } ?? 10 * power
        let first = (low / step).rounded(.down), last = (high / step).rounded(.up)
        return (0...Int(max(1, last - first))).map { (first + Double($0)) * step }
    }

    /// 1, 2 and 5 times powers of ten, or those powers alone where that would be too many.
    static func logarithmicTicks(from low: Double, to high: Double) -> [Double] {
        let powers = Int(floor(log10(low)))...Int(floor(log10(high))) + 1
        let factors = powers.count > 5 ? [1.0] : [1, 2, 5]
        let all = powers.flatMap { power in factors.map { $0 * pow(10, Double(power)) } }
        let first = all.lastIndex { $0 <= low } ?? 0, last = all.firstIndex { $0 >= high } ?? all.count - 1
        return Array(all[first...last])
    }
}
