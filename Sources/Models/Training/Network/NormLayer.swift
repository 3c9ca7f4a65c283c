import CKernels
import Parallelism

/// RMSNorm, or LayerNorm where there is a bias, of rows of `width` floats.
struct NormLayer {
    let width: Int
    let epsilon: Float
    let weight: VectorParameter
    let bias: VectorParameter?

    /// Rows a worker takes at a time.
    private static let tile = 32
    /// Columns a worker takes at a time of the gradients of weight and bias.
    private static let columnTile = 256

    private var kernel: qk_norm {
        qk_norm(weight: weight.values, bias: bias?.values, width: width, epsilon: epsilon, centers: bias != nil, addsOne: false)
    }

    /// y = norm(x).
    ///
    /// - Parameters:
    ///   - x, y: [rows, width]
    ///   - statistics: [2, rows]: means (unused by RMSNorm) and reciprocal deviations, kept for `backward`.
    func forward(
        _ x: UnsafePointer<Float>, rows: Int, statistics: UnsafeMutablePointer<Float>, into y: UnsafeMutablePointer<Float>,
        pool: WorkerPool
    ) {
        pool.forTiles(of: rows, size: Self.tile) { range in
            let offset = range.lowerBound * width
            let means = statistics + range.lowerBound, reciprocals = statistics + rows + range.lowerBound
            withUnsafePointer(to: kernel) {
                qk_norm_at(qk_simd_best(), $0, x + offset, range.count, means, reciprocals, y + offset)
            }
        }
    }

    /// dx += the gradient through the norm; gradients of weight and bias where they are trained.
    ///
    /// - Parameter x: the input of `forward`, [rows, width].
    func backward(
        _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, rows: Int, statistics: UnsafePointer<Float>,
        addingTo dx: UnsafeMutablePointer<Float>, pool: WorkerPool
    ) {
        pool.forTiles(of: rows, size: Self.tile) { range in
            let offset = range.lowerBound * width
            let means = statistics + range.lowerBound, reciprocals = statistics + rows + range.lowerBound
            withUnsafePointer(to: kernel) {
                qk_norm_backward_at(qk_simd_best(), $0, dy + offset, x + offset, range.count, means, reciprocals, dx + offset)
            }
        }
        guard let dweight = weight.gradient else { return }
        pool.forTiles(of: width, size: Self.columnTile) { range in
            let first = range.lowerBound
            qk_norm_weightGradient_at(
                qk_simd_best(), dy + first, x + first, bias == nil ? nil : statistics, statistics + rows, rows, width, range.count,
                dweight + first)
            if let dbias = bias?.gradient { qk_addRows_at(qk_simd_best(), dy + first, rows, width, range.count, dbias + first) }
        }
    }
}

extension WorkerPool {
    /// Runs `body` for consecutive ranges of at most `size` indices below `count`.
    func forTiles(of count: Int, size: Int, _ body: (Range<Int>) -> Void) {
        forEach(count: (count + size - 1) / size) { index, _ in
            body(index * size..<min((index + 1) * size, count))
        }
    }
}
