import CKernels
package import TensorCore

/// How many finite elements lie in each of equally wide bins.
package struct Histogram: Hashable, Sendable {
    /// Lower end of the first bin and upper end of the last.
    package let range: ClosedRange<Double>
    package private(set) var counts: [UInt64]
    private let bins: qk_bins

    /// Empty bins; nil where the range has no width that a double can hold.
    package init?(range: ClosedRange<Double>, binCount: Int) {
        precondition(binCount > 0 && binCount < 1 << 20, "\(binCount) bins")
        let width = range.upperBound - range.lowerBound
        let binsPerUnit = Double(binCount) / width
        guard width > 0, width.isFinite, binsPerUnit.isFinite else { return nil }
        self.range = range
        counts = Array(repeating: 0, count: binCount)
        bins = qk_bins(lowest: range.lowerBound, binsPerUnit: binsPerUnit, binCount: binCount)
    }

    /// Adds elements of a quantizable type. A bin holds its lower end, the last one its upper end as well; what lies
    /// outside of all of them goes to the nearest.
    package mutating func add(_ bytes: UnsafeRawBufferPointer, type: ScalarType) {
        let (kernelType, count) = ElementSummary.elements(of: bytes, type: type)
        qk_histogram(kernelType, bytes.baseAddress, count, bins, &counts)
    }

    /// Adds 4-bit elements, dequantized to float32.
    package mutating func add(_ blocks: QuantizedBlocks) {
        blocks.withKernelBlocks { qk_histogram4($0, bins, &counts) }
    }

    /// Adds what was counted in the same bins elsewhere.
    package mutating func add(_ other: Histogram) {
        precondition(range == other.range && counts.count == other.counts.count, "histograms of different bins")
        for index in counts.indices { counts[index] += other.counts[index] }
    }

    /// Where bin `index` begins, and bin `index` - 1 ends.
    package func edge(_ index: Int) -> Double {
        index == counts.count
            ? range.upperBound : range.lowerBound + (range.upperBound - range.lowerBound) * Double(index) / Double(counts.count)
    }

    package static func == (a: Histogram, b: Histogram) -> Bool { a.range == b.range && a.counts == b.counts }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(range)
        hasher.combine(counts)
    }
}
