/// Indices along a dimension as Python writes them: half open, counted from the end where negative, open ends allowed.
package struct IndexRange: Sendable, Hashable {
    /// Nil from the first on.
    package let lowerBound: Int?
    /// Nil to the last.
    package let upperBound: Int?

    package init(_ lowerBound: Int?, _ upperBound: Int?) {
        self.lowerBound = lowerBound
        self.upperBound = upperBound
    }

    /// The indices of a dimension with `count` entries; what lies beyond it is left out, as in Python.
    package func resolved(count: Int) -> Range<Int> {
        func place(_ index: Int) -> Int { min(max(index < 0 ? index + count : index, 0), count) }
        let lower = lowerBound.map(place) ?? 0, upper = upperBound.map(place) ?? count
        return lower..<max(lower, upper)
    }
}
