import Adapters
import ByteIO
import CKernels
import TensorCore

/// The low-rank deltas of one tensor in memory, in the orientation in which it is worked on.
struct DeltaFactors: Sendable {
    /// `scale * (left @ right)`
    struct Term: Sendable {
        /// [rows, rank]; of several matrices all beneath each other.
        let left: [Float]
        /// [rank, columns]; likewise.
        let right: [Float]
        let rank: Int
        let scale: Float
    }

    let columns: Int
    /// Matrices that the tensor holds one after the other, each with a product of its own; 1 of one that is a matrix.
    let matrixCount: Int
    /// Rows of one of several matrices.
    private let rows: Int
    let terms: [Term]

    /// - Parameter rows: of all matrices together.
    init(columns: Int, rows: Int, matrixCount: Int = 1, terms: [Term]) {
        precondition(matrixCount > 0 && rows % matrixCount == 0, "\(rows) rows are no \(matrixCount) matrices")
        self.columns = columns
        self.matrixCount = matrixCount
        self.rows = rows / matrixCount
        self.terms = terms
    }

    /// - Parameters:
    ///   - rows, columns, orientation: of the weight as it is worked on; factors are those of [out, in].
    init(
        _ terms: [WeightChange.Term], of adapters: [WeightedAdapter], rows: Int, columns: Int, orientation: Orientation
    ) throws(FileError) {
        var loaded: [Term] = []
        for term in terms { loaded.append(try Self.load(term, of: adapters, orientation)) }
        self.init(columns: columns, rows: rows, terms: loaded)
    }

    /// Of a tensor with the matrices of all experts of a layer: terms of one rank and scale of an adapter are one, with zeros for those of which
    /// it has none.
    ///
    /// - Parameters:
    ///   - rows: of all matrices together.
    init(
        _ experts: [WeightChange.Expert], matrixCount: Int, of adapters: [WeightedAdapter], rows: Int, columns: Int,
        orientation: Orientation
    ) throws(FileError) {
        let own = rows / matrixCount
        var loaded: [Term] = []
        for (kind, members) in ExpertTerms(experts).kinds {
            let rank = kind.rank
            var left = [Float](repeating: 0, count: rows * rank), right = [Float](repeating: 0, count: matrixCount * rank * columns)
            for (expert, term) in members {
                let factors = try Self.load(term, of: adapters, orientation)
                left.replaceSubrange(expert * own * rank..<(expert + 1) * own * rank, with: factors.left)
                right.replaceSubrange(expert * rank * columns..<(expert + 1) * rank * columns, with: factors.right)
            }
            loaded.append(Term(left: left, right: right, rank: rank, scale: kind.scale))
        }
        self.init(columns: columns, rows: rows, matrixCount: matrixCount, terms: loaded)
    }

    private static func load(
        _ term: WeightChange.Term, of adapters: [WeightedAdapter], _ orientation: Orientation
    ) throws(FileError) -> Term {
        let adapter = adapters[term.adapter].adapter
        let a = try adapter.values(of: term.update.a), b = try adapter.values(of: term.update.b)
        let rank = term.update.rank
        // An embedding's table is [vocabulary, dim], and its factors are those of [dim, vocabulary].
        let turns = (orientation == .inputsByOutputs) != term.isEmbedding
        let left = turns ? transposed(a, rows: rank) : b
        let right = turns ? transposed(b, columns: rank) : a
        return Term(left: left, right: right, rank: rank, scale: term.scale)
    }

    /// Elements `range` of the sum of all deltas, each rounded to float32 before it is added to those before it.
    func fill(_ range: Range<Int>, into delta: UnsafeMutablePointer<Float>) {
        let elementCount = matrixCount == 1 ? Int.max : rows * columns
        var start = range.lowerBound
        while start < range.upperBound {
            let (matrix, first) = start.quotientAndRemainder(dividingBy: elementCount)
            let count = min(elementCount - first, range.upperBound - start)
            fill(first, count, ofMatrix: matrix, into: delta + (start - range.lowerBound))
            start += count
        }
    }

    private func fill(_ first: Int, _ count: Int, ofMatrix matrix: Int, into delta: UnsafeMutablePointer<Float>) {
        for (number, term) in terms.enumerated() {
            term.left.withUnsafeBufferPointer { left in
                term.right.withUnsafeBufferPointer { right in
                    guard term.rank > 0, let l = left.baseAddress, let r = right.baseAddress else {
                        if number == 0 { delta.update(repeating: 0, count: count) }
                        return
                    }
                    qk_lowRank(
                        l + matrix * rows * term.rank, r + matrix * term.rank * columns, term.rank, columns, term.scale, first, count,
                        number == 0 ? 0 : 1, delta)
                }
            }
        }
    }

    private static func transposed(_ values: [Float], rows: Int) -> [Float] {
        transposed(values, rows: rows, columns: rows == 0 ? 0 : values.count / rows)
    }

    private static func transposed(_ values: [Float], columns: Int) -> [Float] {
        transposed(values, rows: columns == 0 ? 0 : values.count / columns, columns: columns)
    }

    /// [columns, rows] of a matrix [rows, columns].
    static func transposed(_ values: [Float], rows: Int, columns: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: values.count) { output, count in
            values.withUnsafeBytes { input in
                MatrixTransposition.transpose(
                    input, rows: rows, columns: columns, elementByteCount: 4, into: UnsafeMutableRawBufferPointer(output))
            }
            count = values.count
        }
    }
}

/// Terms of the experts of a layer by what they have in common, in the order in which each expert has its own.
private struct ExpertTerms {
    struct Kind: Hashable {
        let adapter: Int
        let rank: Int
        let scale: Float
        /// Of terms that have all of this in common, which of one expert's.
        var number = 0

        func precedes(_ other: Kind) -> Bool { (adapter, number, rank, scale) < (other.adapter, other.number, other.rank, other.scale) }
    }

    private(set) var kinds: [(kind: Kind, members: [(expert: Int, term: WeightChange.Term)])] = []

    init(_ experts: [WeightChange.Expert]) {
        var found: [Kind: [(expert: Int, term: WeightChange.Term)]] = [:]
        for expert in experts {
            var seen: [Kind: Int] = [:]
            for term in expert.terms {
                var kind = Kind(adapter: term.adapter, rank: term.update.rank, scale: term.scale)
                seen[kind, default: 0] += 1
                kind.number = (seen[kind] ?? 1) - 1
                found[kind, default: []].append((expert.number, term))
            }
        }
        kinds = found.sorted { $0.key.precedes($1.key) }.map { ($0.key, $0.value) }
    }
}
