/// The losses of a run without their noise: means over a fortieth of it, half of it before and half behind, so that the curve
/// does not lag.
package struct SmoothedLosses {
    /// The number of each step whose loss is finite, with the mean around it.
    package let points: [(step: Double, loss: Double)]
    /// Steps before and behind that count for a mean; 0 where each stands for itself.
    package let reach: Int

    package init(_ losses: [Double]) {
        let finite = losses.enumerated().filter { $1.isFinite }
        let reach = losses.count / 80
        let sums = finite.reduce(into: [0.0]) { sums, point in sums.append((sums.last ?? 0) + point.element) }
        points = finite.indices.map { index in
            let first = max(0, index - reach), end = min(finite.count, index + reach + 1)
            return (Double(finite[index].offset + 1), (sums[end] - sums[first]) / Double(end - first))
        }
        self.reach = reach
    }
}
