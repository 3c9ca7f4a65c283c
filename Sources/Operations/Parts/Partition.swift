package import TensorCore

/// A plan cut into parts of about equal numbers of bytes to read: which units of it, whole tensors, each part does.
///
/// Units keep the order of the source, so that a part reads a run of it: few files, from front to back. A part is off by one unit at most,
/// which of models that are worth parts is little: the largest tensor of 1.3 TB has 2 GB, and a sixty-fourth of it has 20.
package struct Partition: Sendable {
    /// What one part does.
    package struct Share: Sendable {
        /// Indices of units, ascending.
        package var units: [Int] = []
        /// Indices of the stored tensors of the source whose checksums the part finds, ascending: each is of one part alone, also where
        /// several parts or none need it.
        package var sources: [Int] = []
        /// Of these.
        package var inputByteCount = 0
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

    /// - Parameters:
    ///   - units: of each, the stored tensors of the source that it reads.
    ///   - count: of the parts, at least 1.
    package init(units: [[Int]], of source: any TensorSource, count: Int) {
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
        var pieces = units.enumerated().map { piece($0, reading: $1) }
        for index in isOwned.indices where !isOwned[index] { pieces.append(piece(nil, reading: [index])) }
        pieces.sort { ($0.file, $0.first, $0.unit ?? .max) < ($1.file, $1.first, $1.unit ?? .max) }
        let total = pieces.reduce(0) { $0 + $1.cost }
        var shares = [Share](repeating: Share(), count: count)
        var start = 0
        for piece in pieces {
            // Where its middle lies among all.
            let middle = (2 * start + piece.cost).multipliedFullWidth(by: count)
            let part = (2 * total).dividingFullWidth(middle).quotient
            if let unit = piece.unit { shares[part].units.append(unit) }
            shares[part].sources += piece.sources
            shares[part].inputByteCount += piece.sources.reduce(0) { $0 + source.tensors[$1].byteCount }
            start += piece.cost
        }
        for index in shares.indices {
            shares[index].units.sort()
            shares[index].sources.sort()
        }
        self.shares = shares
    }

    package func share(of part: PartNumber) -> Share {
        precondition(part.count == shares.count, "the plan was cut into as many parts")
        return shares[part.number - 1]
    }
}
