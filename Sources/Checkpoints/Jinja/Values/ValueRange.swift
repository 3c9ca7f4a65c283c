/// Python's `range`.
final class ValueRange {
    let start: Int
    let step: Int
    let count: Int

    init(start: Int, step: Int, count: Int) {
        self.start = start
        self.step = step
        self.count = count
    }

    /// Inside of the range by construction.
    subscript(index: Int) -> Int { start &+ index &* step }
}
