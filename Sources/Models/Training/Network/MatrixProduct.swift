import COpenBLAS
import Parallelism
import TensorCore

/// Products of dense row-major f32 matrices on all threads.
///
/// The result is cut into tiles whose size does not depend on the number of threads, and every tile is one call of a
/// single-threaded `sgemm`: the same bits come out for any number of threads.
struct MatrixProduct {
    enum Orientation {
        case asStored, transposed

        var code: CBLAS_TRANSPOSE { self == .asStored ? CblasNoTrans : CblasTrans }
    }

    /// A matrix in memory: `stride` floats from row to row.
    struct Operand {
        let pointer: UnsafePointer<Float>
        let stride: Int
        let orientation: Orientation

        init(_ pointer: UnsafePointer<Float>, stride: Int, _ orientation: Orientation = .asStored) {
            self.pointer = pointer
            self.stride = stride
            self.orientation = orientation
        }

        /// The operand without its first `rows` rows and `columns` columns, as they are in the product.
        fileprivate func offset(rows: Int, columns: Int) -> UnsafePointer<Float> {
            orientation == .asStored ? pointer + rows * stride + columns : pointer + columns * stride + rows
        }
    }

    private static let tileRows = 128
    private static let tileColumns = 256

    /// c[m, n] = scale * a[m, k] b[k, n], added to what is there if `accumulates`.
    static func multiply(
        _ a: Operand, _ b: Operand, rows m: Int, columns n: Int, inner k: Int, scale: Float = 1,
        into c: UnsafeMutablePointer<Float>, stride: Int, accumulates: Bool, pool: WorkerPool
    ) {
        let rowTiles = (m + tileRows - 1) / tileRows, columnTiles = (n + tileColumns - 1) / tileColumns
        pool.forKernels(count: rowTiles * columnTiles) { index, _ in
            let row = index / columnTiles * tileRows, column = index % columnTiles * tileColumns
            cblas_sgemm(
                CblasRowMajor, a.orientation.code, b.orientation.code, blasint(min(tileRows, m - row)),
                blasint(min(tileColumns, n - column)), blasint(k), scale, a.offset(rows: row, columns: 0), blasint(a.stride),
                b.offset(rows: 0, columns: column), blasint(b.stride), accumulates ? 1 : 0, c + row * stride + column, blasint(stride))
        }
    }
}
