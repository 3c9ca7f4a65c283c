/// A set of Unicode scalars, as an expression's `[...]`, `\p{L}` or single character means it.
struct ScalarSet: Hashable, Sendable {
    /// Ascending, with a gap between any two.
    let ranges: [ClosedRange<UInt32>]

    static let all = ScalarSet([0...0x10ffff])
    static let none = ScalarSet([])

    /// - Parameter ranges: in any order, overlapping or not.
    init(_ ranges: [ClosedRange<UInt32>]) {
        var merged: [ClosedRange<UInt32>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound + 1 {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        self.ranges = merged
    }

    init(_ scalars: Unicode.Scalar...) { self.init(scalars.map { $0.value...$0.value }) }

    /// - Parameter bounds: first and last scalar of each range, as the tables have them.
    init(bounds: [UInt32]) {
        self.init(stride(from: 0, to: bounds.count - 1, by: 2).map { bounds[$0]...bounds[$0 + 1] })
    }

    /// The scalars whose general category has a name of those.
    init(categories names: [String]) {
        var ranges: [ClosedRange<UInt32>] = []
        let wanted = CategoryRuns.names.map { names.contains($0) }
        for (index, run) in CategoryRuns.runs.enumerated() where wanted[Int(run & 31)] {
            let end = index + 1 < CategoryRuns.runs.count ? CategoryRuns.runs[index + 1] >> 5 : 0x110000
            ranges.append(run >> 5...end - 1)
        }
        self.init(ranges)
    }

    var inverted: ScalarSet {
        var gaps: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if next < range.lowerBound { gaps.append(next...range.lowerBound - 1) }
            next = range.upperBound + 1
        }
        if next <= 0x10ffff { gaps.append(next...0x10ffff) }
        return ScalarSet(gaps)
    }

    func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }

    func intersection(_ other: ScalarSet) -> ScalarSet { inverted.union(other.inverted).inverted }

    func contains(_ scalar: UInt32) -> Bool {
        // The first range that does not end before the scalar.
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < scalar { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound <= scalar
    }
}

extension ScalarSet {
    /// `\s`: Unicode's White_Space.
    static let spaces = ScalarSet(bounds: [
        0x9, 0xd, 0x20, 0x20, 0x85, 0x85, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x202f, 0x205f, 0x205f,
        0x3000, 0x3000,
    ])

    /// What `\p{NAME}` means; nil for a name that is not known here.
    static func property(_ name: String) -> ScalarSet? {
        switch name {
        case "Han": return ScalarSet(bounds: CharacterRanges.han)
        case "Hangul": return ScalarSet(bounds: CharacterRanges.hangul)
        case "Hiragana": return ScalarSet(bounds: CharacterRanges.hiragana)
        case "Katakana": return ScalarSet(bounds: CharacterRanges.katakana)
        default:
            let names = CategoryRuns.names.filter { $0 == name || (name.utf8.count == 1 && $0.hasPrefix(name)) }
            return names.isEmpty ? nil : ScalarSet(categories: names)
        }
    }
}
