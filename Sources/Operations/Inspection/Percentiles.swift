import Quantization
import TensorCore

/// Values at given places of a sorted set, found without sorting a large one.
package struct Percentiles: Sendable, Hashable {
    /// In percent; 0 is the smallest value, 50 the median, 100 the largest.
    package static let places: [Double] = [0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 100]

    /// One for each of `places`: the smallest value that so many percent of all values do not exceed.
    package let values: [Float]

    /// - Parameter values: one for each of `places`.
    init?(values: [Float]) {
        guard values.count == Self.places.count, values.allSatisfy(\.isFinite) else { return nil }
        self.values = values
    }

    package var minimum: Float { values[0] }
    package var median: Float { value(at: 50) }
    package var maximum: Float { values[values.count - 1] }

    /// The value at one of `places`.
    package func value(at place: Double) -> Float {
        guard let index = Self.places.firstIndex(of: place) else { preconditionFailure("\(place) is none of the places") }
        return values[index]
    }

    /// Of the finite numbers among the values of all pieces; nil where there are none.
    init?(of pieces: [[Float]]) {
        let summary = Self.summary(of: pieces)
        let count = summary.finiteCount
        guard count > 0 else { return nil }
        let ranks = Self.places.map { place in
            // Not place / 100 * count: of 1000 values, 99.9 percent are 999 and not, rounded up, 1000.
            max(0, min(count, Int((place * Double(count) / 100).rounded(.up))) - 1)
        }
        values = Self.values(of: summary.nonfiniteCount == 0 ? pieces : pieces.map { $0.filter(\.isFinite) }, atRanks: ranks)
    }

    /// The values that would stand at `ranks`, which ascend, were all joined and sorted. None is NaN or infinite.
    ///
    /// Values are dealt out to buckets of equal width; only those that a rank falls into are collected and dealt out again.
    /// That takes two passes over all, and over the few that are left next to nothing.
    private static func values(of pieces: [[Float]], atRanks ranks: [Int]) -> [Float] {
        let summary = summary(of: pieces)
        guard summary.finiteCount > 64, let smallest = summary.minimum, let largest = summary.maximum,
            let buckets = Buckets(Float(smallest), Float(largest))
        else {
            let sorted = pieces.joined().sorted()
            return ranks.map { sorted[$0] }
        }
        let wanted = WantedBuckets(ranks, buckets.counts(of: pieces))
        return zip(buckets.members(of: pieces, in: wanted), wanted.ranks).flatMap { values(of: [$0], atRanks: $1) }
    }

    private static func summary(of pieces: [[Float]]) -> ElementSummary {
        var summary = ElementSummary()
        for piece in pieces {
            piece.withUnsafeBytes { bytes in
                for run in ElementSummary.runs(of: bytes, type: .f32) { summary.append(run) }
            }
        }
        return summary
    }
}

/// Buckets of equal width between two values.
private struct Buckets {
    static let count = 4096
    private let smallest: Float
    private let perUnit: Float

    /// Nil where the values are equal, or too close or too far apart for float32. Different ones are in different buckets.
    init?(_ smallest: Float, _ largest: Float) {
        let width = largest - smallest
        self.smallest = smallest
        perUnit = Float(Self.count - 1) / width
        guard width > 0, width.isFinite, perUnit.isFinite else { return nil }
    }

    /// Never falls as values grow: every operation is rounded the same way.
    private func index(of value: Float) -> Int { Int(Int32((value - smallest) * perUnit)) }

    /// How many values are in each bucket.
    func counts(of pieces: [[Float]]) -> [UInt32] {
        // Two counters of each in turn: neighbours are often in the same bucket, and one would wait for the other.
        var counts = [UInt32](repeating: 0, count: 2 * Self.count)
        counts.withUnsafeMutableBufferPointer { counts in
            for piece in pieces {
                piece.withUnsafeBufferPointer { values in
                    for position in values.indices { counts[2 * index(of: values[position]) + position & 1] &+= 1 }
                }
            }
        }
        return (0..<Self.count).map { counts[2 * $0] + counts[2 * $0 + 1] }
    }

    /// The values in each of the wanted buckets.
    func members(of pieces: [[Float]], in wanted: WantedBuckets) -> [[Float]] {
        var ends: [Int] = []
        for count in wanted.counts { ends.append((ends.last ?? 0) + count) }
        var starts = [0] + ends.dropLast()
        let members = [Float](unsafeUninitializedCapacity: ends.last ?? 0) { members, initializedCount in
            wanted.positions.withUnsafeBufferPointer { positions in
                for piece in pieces {
                    piece.withUnsafeBufferPointer { values in
                        for value in values {
                            let position = Int(positions[index(of: value)])
                            guard position >= 0 else { continue }
                            members.initializeElement(at: starts[position], to: value)
                            starts[position] += 1
                        }
                    }
                }
            }
            initializedCount = ends.last ?? 0
        }
        return zip([0] + ends.dropLast(), ends).map { Array(members[$0..<$1]) }
    }
}

/// The buckets that some ranks fall into, in ascending order.
private struct WantedBuckets {
    /// For each of all buckets its position among the wanted ones, or -1.
    private(set) var positions = [Int8](repeating: -1, count: Buckets.count)
    /// Values in each wanted bucket.
    private(set) var counts: [Int] = []
    /// The ranks in each wanted bucket, counted from its own first value on.
    private(set) var ranks: [[Int]] = []

    /// - Parameter counts: of values in all buckets.
    init(_ ranks: [Int], _ counts: [UInt32]) {
        var bucket = 0, first = 0
        for rank in ranks {
            while rank - first >= counts[bucket] {
                first += Int(counts[bucket])
                bucket += 1
            }
            if positions[bucket] < 0 {
                positions[bucket] = Int8(self.counts.count)
                self.counts.append(Int(counts[bucket]))
                self.ranks.append([])
            }
            self.ranks[self.ranks.count - 1].append(rank - first)
        }
    }
}
