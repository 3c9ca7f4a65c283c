/// Values that a narrower type could not hold: what a conversion of types has cost beyond rounding.
package struct NarrowingCounts: Sendable, Hashable {
    /// Finite values that became infinite.
    package var overflows = 0
    /// Values other than zero that became zero.
    package var underflows = 0

    package init(overflows: Int = 0, underflows: Int = 0) {
        self.overflows = overflows
        self.underflows = underflows
    }

    package static func + (a: NarrowingCounts, b: NarrowingCounts) -> NarrowingCounts {
        NarrowingCounts(overflows: a.overflows + b.overflows, underflows: a.underflows + b.underflows)
    }
}
