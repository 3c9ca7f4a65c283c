import Adapters
import ByteIO
import CKernels
import TensorCore

/// The low-rank deltas of one tensor in memory, in the orientation in which it is worked on.
struct DeltaFactors: Sendable {
    /// `scale * (left @ right)`
    struct Term: Sendable {
        /// [rows, rank]
        let left: [Float]
        /// [rank, columns]
        let right: [Float]
        let rank: Int
        let scale: Float
    }

    let columns: Int
    let terms: [Term]

    init(columns: Int, terms: [Term]) {
        self.columns = columns
        self.terms = terms
    }

    /// - Parameters:
    ///   - orientation: of the weight as it is worked on; factors are those of [out, in].
    init(_ terms: [WeightChange.Term], of adapters: [WeightedAdapter], columns: Int, orientation: Orientation) throws(FileError) {
        var loaded: [Term] = []
        for term in terms {
            let adapter = adapters[term.adapter].adapter
            let a = try adapter.values(of: term.update.a), b = try adapter.values(of: term.update.b)
            let rank = term.update.rank
            // An embedding's table is [vocabulary, dim], and its factors are those of [dim, vocabulary].
            let turns = (orientation == .inputsByOutputs) != term.isEmbedding
            let left = turns ? Self.transposed(a, rows: rank) : b
            let right = turns ? Self.transposed(b, columns: rank) : a
            loaded.append(Term(left: left, right: right, rank: rank, scale: term.scale))
        }
        self.init(columns: columns, terms: loaded)
    }

    /// Elements `range` of the sum of all deltas, each rounded to float32 before it is added to those before it.
    func fill(_ range: Range<Int>, into delta: UnsafeMutablePointer<Float>) {
        for (number, term) in terms.enumerated() {
            qk_lowRank(
                term.left, term.right, term.rank, columns, term.scale, range.lowerBound, range.count, number == 0 ? 0 : 1, delta)
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
