import COpenBLAS

/// `a = q @ r` with orthonormal columns in `q` and a triangle in `r`.
package struct QRDecomposition: Sendable {
    /// [rows, k] with k the smaller dimension.
    package let q: Matrix
    /// [k, columns]; zero below the diagonal.
    package let r: Matrix

    /// - Throws: where `a` holds values that are not finite.
    package init(of a: Matrix) throws(LinearAlgebraError) {
        guard a.elements.allSatisfy(\.isFinite) else { throw LinearAlgebraError(description: "a value of the matrix is not finite") }
        let k = min(a.rows, a.columns)
        guard k > 0 else {
            (q, r) = (Matrix(zeros: a.rows, k), Matrix(zeros: k, a.columns))
            return
        }
        SingleThread.ensure()
        // Column by column, as LAPACK has it.
        var columns = a.transposed.elements
        var tau = [Float](repeating: 0, count: k)
        var (rowCount, columnCount, reflectorCount) = (lapackInteger(a.rows), lapackInteger(a.columns), lapackInteger(k))
        try Self.perform { work, workCount, info in
            sgeqrf_(&rowCount, &columnCount, &columns, &rowCount, &tau, work, workCount, info)
        }
        var r = Matrix(zeros: k, a.columns)
        for row in 0..<k { for column in row..<a.columns { r[row, column] = columns[column * a.rows + row] } }
        try Self.perform { work, workCount, info in
            sorgqr_(&rowCount, &reflectorCount, &reflectorCount, &columns, &rowCount, tau, work, workCount, info)
        }
        q = Matrix(rows: k, columns: a.rows, elements: Array(columns[..<(k * a.rows)])).transposed
        self.r = r
    }

    /// Asks LAPACK for the room that it works best in, then lets it work.
    static func perform(
        _ routine: (UnsafeMutablePointer<Float>, UnsafePointer<Int32>, UnsafeMutablePointer<Int32>) -> Void
    ) throws(LinearAlgebraError) {
        var (size, query, info) = (Float(0), Int32(-1), Int32(0))
        routine(&size, &query, &info)
        var workCount = Int32(max(1, size.rounded(.up)))
        var work = [Float](repeating: 0, count: Int(workCount))
        if info == 0 { routine(&work, &workCount, &info) }
        guard info == 0 else { throw LinearAlgebraError(description: "LAPACK gave up with status \(info)") }
    }
}
