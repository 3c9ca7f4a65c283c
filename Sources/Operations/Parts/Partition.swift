package import TensorCore

/// A plan cut into parts of about equal numbers of bytes to read: which units of it each part does.
///
/// Units keep the order of the source, so that a part reads a run of it: few files, from front to back. A unit is done whole, and a part
/// is off by one at most; but one that reads more than a part's share is cut, where it can be.
package struct Partition: Sendable {
    /// What is done at once.
    package struct Unit: Sendable {
        /// Stored tensors of the source that it reads.
        let sources: [Int]
        /// How it may be cut; nil for not at all.
        let grain: Grain?

        package init(reading sources: [Int], grain: Grain? = nil) {
            self.sources = sources
            self.grain = grain
        }
    }

    /// Where runs of the elements of a unit may begin and end.
    package struct Grain: Sendable {
        /// The stored tensor that is read run by run; others are read whole with the first.
        let source: Int
        /// Of an element there.
        let bitCount: Int
        let elementCount: Int
        /// Elements: all runs but the last are multiples of so many, of whole bytes in the source and the output.
        let unit: Int

        package init(source: Int, bitCount: Int, elementCount: Int, unit: Int) {
            self.source = source
            self.bitCount = bitCount
            self.elementCount = elementCount
            self.unit = max(1, unit)
        }
    }

    /// Some of the elements of a unit, and what is read for them.
    package struct Run: Sendable, Hashable {
        package let unit: Int
        package let elements: Range<Int>
        /// A stored tensor, and bytes of it.
        package let source: Int
        package let bytes: Range<Int>
    }

    /// What one part does.
    package struct Share: Sendable {
        /// Indices of whole units, ascending.
        package var units: [Int] = []
        /// Runs of others, one of each at most; ascending.
        package var runs: [Run] = []
        /// Indices of the stored tensors of the source whose checksums the part finds, ascending: each is of one part alone, also where
        /// several parts or none need it. Tensors that are read in runs are none of them.
        package var sources: [Int] = []
        /// Of these, and of the runs.
        package var inputByteCount = 0

        /// How many units it does, some of them not to their end.
        package var unitCount: Int { units.count + runs.count }
    }

    private struct Piece {
        var unit: Int?
        var sources: [Int] = []
        /// Pages to read, one at least: so they cannot overflow, and units of nothing are spread as well.
        var cost = 1
        /// Its place in the source.
        var file = 0
        var first = 0
    }

    private let shares: [Share]

    /// Of units that are not cut.
    ///
    /// - Parameters:
    ///   - units: of each, the stored tensors of the source that it reads.
    ///   - count: of the parts, at least 1.
    package init(units: [[Int]], of source: any TensorSource, count: Int) {
        self.init(cutting: units.map { Unit(reading: $0) }, of: source, count: count)
    }

    /// - Parameter count: of the parts, at least 1.
    package init(cutting units: [Unit], of source: any TensorSource, count: Int) {
        var readerCounts = [Int](repeating: 0, count: source.tensors.count)
        for unit in units { for index in unit.sources { readerCounts[index] += 1 } }
        var isOwned = [Bool](repeating: false, count: source.tensors.count)
        func piece(_ unit: Int?, reading sources: [Int]) -> Piece {
            var piece = Piece(unit: unit)
            for index in sources {
                piece.cost += source.tensors[index].byteCount >> 12
                guard !isOwned[index] else { continue }
                isOwned[index] = true
                piece.sources.append(index)
            }
            if let first = sources.min() { (piece.file, piece.first) = (source.fileIndex(ofTensor: first), first) }
            return piece
        }
        var pieces = units.enumerated().map { piece($0, reading: $1.sources) }
        for index in isOwned.indices where !isOwned[index] { pieces.append(piece(nil, reading: [index])) }
        pieces.sort { ($0.file, $0.first, $0.unit ?? .max) < ($1.file, $1.first, $1.unit ?? .max) }
        let total = pieces.reduce(0) { $0 + $1.cost }
        var shares = [Share](repeating: Share(), count: count)
        func add(_ sources: [Int], to part: Int) {
            shares[part].sources += sources
            shares[part].inputByteCount += sources.reduce(0) { $0 + source.tensors[$1].byteCount }
        }
        var start = 0
        for piece in pieces {
            defer { start += piece.cost }
            // What is put together from pieces may have checksums of these.
            if let unit = piece.unit, let grain = units[unit].grain, readerCounts[grain.source] == 1, piece.cost > total / count,
                source.place(ofTensor: grain.source) != nil
            {
                let runs = Self.runs(of: unit, grain, source, from: start, cost: piece.cost, total: total, count: count)
                if let first = runs.first { add(piece.sources.filter { $0 != grain.source }, to: first.part) }
                for (part, run) in runs {
                    shares[part].runs.append(run)
                    shares[part].inputByteCount += run.bytes.count
                }
                if !runs.isEmpty { continue }
            }
            // Where its middle lies among all.
            let middle = (2 * start + piece.cost).multipliedFullWidth(by: count)
            let part = (2 * total).dividingFullWidth(middle).quotient
            if let unit = piece.unit { shares[part].units.append(unit) }
            add(piece.sources, to: part)
        }
        for index in shares.indices {
            shares[index].units.sort()
            shares[index].runs.sort { $0.unit < $1.unit }
            shares[index].sources.sort()
        }
        self.shares = shares
    }

    /// A unit that begins at a cost of `start`, cut where parts meet.
    private static func runs(
        of unit: Int, _ grain: Grain, _ source: any TensorSource, from start: Int, cost: Int, total: Int, count: Int
    ) -> [(part: Int, run: Run)] {
        let grains = (grain.elementCount + grain.unit - 1) / grain.unit, byteCount = source.tensors[grain.source].byteCount
        /// The last part in which some of it is.
        let last = total.dividingFullWidth((start + cost - 1).multipliedFullWidth(by: count)).quotient
        var runs: [(part: Int, run: Run)] = []
        var begin = 0
        for part in total.dividingFullWidth(start.multipliedFullWidth(by: count)).quotient...last where begin < grains {
            // (part + 1) total / count is where the next part begins: the same on every machine.
            let share = (Double(part + 1) * Double(total) / Double(count) - Double(start)) / Double(cost)
            let end = part == last ? grains : min(max(Int(share * Double(grains)), begin), grains)
            guard end > begin else { continue }
            let elements = begin * grain.unit..<min(end * grain.unit, grain.elementCount)
            let bytes = elements.lowerBound * grain.bitCount / 8..<(end == grains ? byteCount : elements.upperBound * grain.bitCount / 8)
            runs.append((part, Run(unit: unit, elements: elements, source: grain.source, bytes: bytes)))
            begin = end
        }
        return runs
    }

    package func share(of part: PartNumber) -> Share {
        precondition(part.count == shares.count, "the plan was cut into as many parts")
        return shares[part.number - 1]
    }
}

extension [Partition.Run] {
    /// What is read of each tensor of the source that they are of.
    package var windows: [Int: Range<Int>] { Dictionary(uniqueKeysWithValues: map { ($0.source, $0.bytes) }) }
}
