import Quantization

/// How the elements of all tensors of one kind are distributed.
struct Distribution {
    static let binCount = 60
    /// How far the histogram reaches, in standard deviations: a few elements far out would leave it empty.
    private static let reach = 4.5

    let kind: String
    let tensorCount: Int
    let elementCount: Int
    let mean: Double
    let standardDeviation: Double
    let absmax: Double
    let zeroCount: Int
    let nonfiniteCount: Int
    /// Ends of the bins.
    let range: ClosedRange<Double>
    /// Shares of all finite elements; empty where all elements are the same.
    let shares: [Double]
    /// Share of elements that lie outside of the bins.
    let shareBeyond: Double

    /// Of one tensor; its bins may be any.
    typealias Part = (summary: ElementSummary, histogram: Histogram?)

    /// Nil where no element is finite.
    init?(kind: String, _ tensors: [Part]) {
        var summary = ElementSummary()
        for tensor in tensors { summary.append(tensor.summary) }
        guard let mean = summary.mean, let deviation = summary.standardDeviation, let minimum = summary.minimum,
            let maximum = summary.maximum,
            let absmax = summary.absmax
        else { return nil }
        self.kind = kind
        tensorCount = tensors.count
        elementCount = summary.elementCount
        self.mean = mean
        standardDeviation = deviation
        self.absmax = absmax
        zeroCount = summary.zeroCount
        nonfiniteCount = summary.nonfiniteCount
        let lowest = max(minimum, mean - Self.reach * deviation), highest = min(maximum, mean + Self.reach * deviation)
        range = lowest...max(lowest, highest)
        var bins = Bins(range: range, count: Self.binCount)
        for tensor in tensors {
            if let histogram = tensor.histogram {
                bins.add(histogram)
            } else if let value = tensor.summary.minimum {
                bins.add(value, count: Double(tensor.summary.finiteCount))
            }
        }
        let total = Double(summary.finiteCount)
        shares = range.lowerBound < range.upperBound ? bins.counts.map { $0 / total } : []
        shareBeyond = max(0, 1 - bins.counts.reduce(0, +) / total)
    }

    /// Where a value lies in the histogram, from 0 to 1; nil beyond its ends.
    func position(of value: Double) -> Double? {
        guard range.contains(value), range.lowerBound < range.upperBound else { return nil }
        return (value - range.lowerBound) / (range.upperBound - range.lowerBound)
    }
}

/// Bins that histograms with other bins are poured into, each of their counts spread evenly over its own width.
private struct Bins {
    let range: ClosedRange<Double>
    private(set) var counts: [Double]

    init(range: ClosedRange<Double>, count: Int) {
        self.range = range
        counts = Array(repeating: 0, count: count)
    }

    private var width: Double { (range.upperBound - range.lowerBound) / Double(counts.count) }

    mutating func add(_ histogram: Histogram) {
        guard width > 0 else { return }
        for (index, count) in histogram.counts.enumerated() where count > 0 {
            let start = histogram.edge(index), end = histogram.edge(index + 1)
            let first = bin(of: max(start, range.lowerBound)), last = bin(of: min(end, range.upperBound))
            guard first <= last, end > range.lowerBound, start < range.upperBound, end > start else { continue }
            for target in first...last {
                let low = range.lowerBound + width * Double(target)
                let overlap = min(end, target == counts.count - 1 ? range.upperBound : low + width) - max(start, low)
                counts[target] += Double(count) * max(0, min(1, overlap / (end - start)))
            }
        }
    }

    /// Elements that are all the same.
    mutating func add(_ value: Double, count: Double) {
        if width > 0, range.contains(value) { counts[bin(of: value)] += count }
    }

    private func bin(of value: Double) -> Int {
        max(0, min(counts.count - 1, Int((value - range.lowerBound) / width)))
    }
}
