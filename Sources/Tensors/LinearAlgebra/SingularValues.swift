import COpenBLAS

/// `a = u @ diagonal(values) @ vt`, the singular values in descending order.
package struct SingularValues: Sendable {
    /// [rows, k] with k the smaller dimension; orthonormal columns.
    package let u: Matrix
    /// k of them, none negative.
    package let values: [Float]
    /// [k, columns]; orthonormal rows.
    package let vt: Matrix

    /// By LAPACK's `sgesdd`.
    ///
    /// - Throws: where `a` holds values that are not finite, or the iteration does not converge.
    package init(of a: Matrix) throws(LinearAlgebraError) {
        guard a.elements.allSatisfy(\.isFinite) else { throw LinearAlgebraError(description: "a value of the matrix is not finite") }
        let k = min(a.rows, a.columns)
        guard k > 0 else {
            (u, values, vt) = (Matrix(zeros: a.rows, k), [], Matrix(zeros: k, a.columns))
            return
        }
        SingleThread.ensure()
        // What lies row by row here is the transposed matrix to LAPACK: its left vectors are our right ones.
        var elements = a.elements
        var values = [Float](repeating: 0, count: k)
        var left = [Float](repeating: 0, count: a.columns * k), right = [Float](repeating: 0, count: k * a.rows)
        var integers = [Int32](repeating: 0, count: 8 * k)
        var (rowCount, columnCount, smaller) = (lapackInteger(a.columns), lapackInteger(a.rows), lapackInteger(k))
        try QRDecomposition.perform { work, workCount, info in
            sgesdd_(
                "S", &rowCount, &columnCount, &elements, &rowCount, &values, &left, &rowCount, &right, &smaller, work, workCount, &integers,
                info)
        }
        u = Matrix(rows: a.rows, columns: k, elements: right)
        self.values = values
        vt = Matrix(rows: k, columns: a.columns, elements: left)
    }
}
