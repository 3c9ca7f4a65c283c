/// Runs of elements of one tensor, sized for a worker.
package enum Chunks {
    /// Covers `count` elements by runs of at most about `limit`, each but the last a multiple of `unit`.
    package static func ranges(count: Int, limit: Int, unit: Int) -> [Range<Int>] {
        guard count > 0 else { return [] }
        let step = max(unit, limit / unit * unit)
        return stride(from: 0, to: count, by: step).map { $0..<min($0 + step, count) }
    }

    /// The same of a run, which begins at a multiple of `unit`.
    package static func ranges(_ run: Range<Int>, limit: Int, unit: Int) -> [Range<Int>] {
        ranges(count: run.count, limit: limit, unit: unit).map { run.lowerBound + $0.lowerBound..<run.lowerBound + $0.upperBound }
    }

    /// The least common multiple of two positive counts.
    package static func leastCommonMultiple(_ a: Int, _ b: Int) -> Int {
        var (x, y) = (a, b)
        while y != 0 { (x, y) = (y, x % y) }
        return a / x * b
    }
}
