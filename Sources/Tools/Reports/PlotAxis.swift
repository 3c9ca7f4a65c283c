import Platform

/// Where values lie between the bottom (0) and the top (1) of a picture, and the round numbers beside it.
///
/// Logarithmic where the largest is many times the smallest: what happens after the first fall would be a line at the bottom.
struct PlotAxis {
    let ticks: [Double]
    let isLogarithmic: Bool

    /// How many times the smallest value the largest one is on a linear axis at most.
    private static let linearLimit = 8.0

    init(_ values: [Double]) {
        let finite = values.filter(\.isFinite)
        let high = finite.max() ?? 1, low = min(finite.min() ?? 0, high)
        isLogarithmic = low > 0 && high / low > Self.linearLimit
        ticks = isLogarithmic ? Ticks.logarithmic(low, high) : Ticks.between(low, high)
    }

    func height(_ value: Double) -> Double {
        guard let first = ticks.first, let last = ticks.last else { return 0 }
        return isLogarithmic ? log(value / first) / log(last / first) : (value - first) / (last - first)
    }
}
