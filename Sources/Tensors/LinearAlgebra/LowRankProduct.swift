/// A product of two thin matrices, `left @ right`, that was cut down to a lower rank.
package struct LowRankProduct: Sendable {
    /// [rows, rank]
    package let left: Matrix
    /// [rank, columns]
    package let right: Matrix
    /// Squares of all singular values before the cut, and of those that it left.
    package let squareSum: Double
    package let keptSquareSum: Double

    /// Share of the squared norm that is left; 1 of a zero matrix.
    package var keptEnergy: Double { squareSum == 0 ? 1 : min(1, keptSquareSum / squareSum) }

    /// The best approximation of `left @ right` by a product of rank at most `rank`, without forming the product.
    ///
    /// QR of both factors, then singular values of the small square between them; each factor gets the root of the
    /// singular values, which keeps the two alike in size.
    package init(truncating left: Matrix, _ right: Matrix, toRank rank: Int) throws(LinearAlgebraError) {
        let a = try QRDecomposition(of: left), b = try QRDecomposition(of: right.transposed)
        let core = try SingularValues(of: Matrix.product(a.r, b.r.transposed))
        try self.init(core, toRank: rank) { (u, vt) in (Matrix.product(a.q, u), Matrix.product(vt, b.q.transposed)) }
    }

    /// The best approximation of a whole matrix.
    package init(truncating matrix: Matrix, toRank rank: Int) throws(LinearAlgebraError) {
        try self.init(SingularValues(of: matrix), toRank: rank) { ($0, $1) }
    }

    private init(
        _ decomposition: SingularValues, toRank rank: Int, expand: (_ u: Matrix, _ vt: Matrix) -> (Matrix, Matrix)
    ) throws(LinearAlgebraError) {
        precondition(rank > 0, "a product has at least rank 1")
        let kept = min(rank, decomposition.values.count)
        var u = decomposition.u.prefix(columns: kept), vt = decomposition.vt.prefix(rows: kept)
        for k in 0..<kept {
            let root = decomposition.values[k].squareRoot()
            for row in 0..<u.rows { u[row, k] *= root }
            for column in 0..<vt.columns { vt[k, column] *= root }
        }
        let squares = decomposition.values.map { Double($0) * Double($0) }
        squareSum = squares.reduce(0, +)
        keptSquareSum = squares[..<kept].reduce(0, +)
        (left, right) = expand(u, vt)
    }
}
