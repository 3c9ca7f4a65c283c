import COpenBLAS

extension Matrix {
    /// `a @ b`, by OpenBLAS on this thread alone.
    package static func product(_ a: Matrix, _ b: Matrix) -> Matrix {
        precondition(a.columns == b.rows, "[\(a.rows), \(a.columns)] @ [\(b.rows), \(b.columns)]")
        var result = Matrix(zeros: a.rows, b.columns)
        guard !result.elements.isEmpty, a.columns > 0 else { return result }
        SingleThread.ensure()
        result.elements.withUnsafeMutableBufferPointer { out in
            a.elements.withUnsafeBufferPointer { a in
                b.elements.withUnsafeBufferPointer { b in
                    cblas_sgemm(
                        CblasRowMajor, CblasNoTrans, CblasNoTrans, lapackInteger(result.rows), lapackInteger(result.columns),
                        lapackInteger(a.count / result.rows), 1, a.baseAddress, lapackInteger(a.count / result.rows), b.baseAddress,
                        lapackInteger(result.columns), 0, out.baseAddress, lapackInteger(result.columns))
                }
            }
        }
        return result
    }
}

/// OpenBLAS would start threads of its own, beside those of our pool.
enum SingleThread {
    private static let isSet: Void = openblas_set_num_threads(1)

    static func ensure() { isSet }
}

/// BLAS and LAPACK count with 32 bits.
func lapackInteger(_ count: Int) -> Int32 {
    guard let integer = Int32(exactly: count) else { preconditionFailure("\(count) is too large a dimension for LAPACK") }
    return integer
}
