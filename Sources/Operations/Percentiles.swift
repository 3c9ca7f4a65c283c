/// Values at given places of a sorted set, found without sorting a large one.
package struct Percentiles: Sendable, Hashable {
    /// In percent; 0 is the smallest value, 50 the median, 100 the largest.
    package static let places: [Double] = [0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 100]

    /// One for each of `places`: the smallest value that so many percent of all values do not exceed.
    package let values: [Float]

    package var minimum: Float { values[0] }
    package var median: Float { value(at: 50) }
    package var maximum: Float { values[values.count - 1] }

    /// The value at one of `places`.
    package func value(at place: Double) -> Float {
        guard let index = Self.places.firstIndex(of: place) else { preconditionFailure("\(place) is none of the places") }
        return values[index]
    }

    /// Of the finite numbers among `values`; nil where there are none.
    init?(of values: [Float]) {
        let buckets = Buckets(of: values)
        let count = buckets.count
        guard count > 0 else { return nil }
        let ranks = Self.places.map { place in
            // Of 1000 values, 99.9 percent are 999 and not 1000, which 99.9 / 100 * 1000 rounded up would be.
            let rank = (place * Double(count) / 100).rounded(.up)
            return max(0, min(count, Int(rank)) - 1)
        }
        self.values = buckets.values(atRanks: ranks)
    }
}

/// Floats by their upper 16 bits: one pass tells in which bucket a rank falls, a second one collects those buckets, and
/// only within them values are compared.
private struct Buckets {
    /// Finite values.
    let count: Int
    private let values: [Float]
    /// Finite values in buckets up to this one.
    private let countsUpTo: [Int]

    init(of values: [Float]) {
        var counts = [UInt32](repeating: 0, count: 1 << 16)
        values.withUnsafeBufferPointer { values in
            counts.withUnsafeMutableBufferPointer { counts in
                for value in values where value.isFinite { counts[Self.bucket(of: value)] &+= 1 }
            }
        }
        var sum = 0
        countsUpTo = counts.map { count in
            sum += Int(count)
            return sum
        }
        count = sum
        self.values = values
    }

    /// The values that would stand at `ranks`, which ascend, were all sorted.
    func values(atRanks ranks: [Int]) -> [Float] {
        let buckets = ranks.map { rank in countsUpTo.firstPosition { $0 > rank } }
        // Position of a wanted bucket among the wanted ones, from 1 on.
        var positions = [UInt8](repeating: 0, count: 1 << 16)
        var members: [[Float]] = []
        for bucket in buckets where positions[bucket] == 0 {
            members.append([])
            members[members.count - 1].reserveCapacity(countsUpTo[bucket] - (bucket > 0 ? countsUpTo[bucket - 1] : 0))
            positions[bucket] = UInt8(members.count)
        }
        values.withUnsafeBufferPointer { values in
            positions.withUnsafeBufferPointer { positions in
                for value in values where value.isFinite {
                    let position = Int(positions[Self.bucket(of: value)])
                    if position > 0 { members[position - 1].append(value) }
                }
            }
        }
        return zip(ranks, buckets).map { rank, bucket in
            let first = bucket > 0 ? countsUpTo[bucket - 1] : 0
            return members[Int(positions[bucket]) - 1].takeValue(atRank: rank - first)
        }
    }

    /// Upper half of bits that are ordered as finite floats are.
    private static func bucket(of value: Float) -> Int {
        let bits = value.bitPattern
        return Int((bits & 0x8000_0000 == 0 ? bits | 0x8000_0000 : ~bits) >> 16)
    }
}

extension [Int] {
    /// Index of the first element for which the condition holds; it holds for the last and for all after the first.
    fileprivate func firstPosition(where holds: (Int) -> Bool) -> Int {
        var low = 0, high = count - 1
        while low < high {
            let middle = (low + high) / 2
            if holds(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension [Float] {
    /// The value at `rank` of the sorted elements (Hoare's selection); leaves them in another order.
    fileprivate mutating func takeValue(atRank rank: Int) -> Float {
        withUnsafeMutableBufferPointer { values in
            var low = 0, high = values.count - 1
            while low < high {
                let pivot = values[(low + high) / 2]
                var i = low, j = high
                while i <= j {
                    while values[i] < pivot { i += 1 }
                    while values[j] > pivot { j -= 1 }
                    if i <= j {
                        values.swapAt(i, j)
                        i += 1
                        j -= 1
                    }
                }
                if rank <= j { high = j } else if rank >= i { low = i } else { break }
            }
            return values[rank]
        }
    }
}
