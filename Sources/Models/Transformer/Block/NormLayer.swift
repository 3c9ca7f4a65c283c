package import Architectures
package import CKernels
import Parallelism

/// A norm of rows of `width` floats, whose weights may differ from row to row.
package struct NormLayer {
    package let norm: Norm
    package let width: Int
    package let weight: VectorParameter
    package let bias: VectorParameter?
    /// Rows that have weights of their own: row r has those of r % period.
    package let period: Int
    /// Floats from the weights of one of them to those of the next.
    package let weightStride: Int

    /// - Parameters:
    ///   - weight: [period, width]; nil for 1 throughout.
    ///   - weightStride: floats from row to row of it; nil for the width.
    ///   - bias: likewise; nil for none.
    package init(
        _ norm: Norm, width: Int, period: Int = 1, weight: VectorParameter?, weightStride: Int? = nil, bias: VectorParameter?
    ) {
        self.weightStride = weightStride ?? width
        let weight = weight ?? VectorParameter(Array(repeating: 1, count: width))
        self.norm = norm
        self.width = width
        self.period = period
        self.weight = weight
        self.bias = bias
    }

    /// Rows a worker takes at a time.
    package var tile: Int { (max(4, (1 << 14) / width) + period - 1) / period * period }

    package var kernel: qk_norm {
        qk_norm(
            weight: weight.values, bias: bias?.values, width: width, epsilon: norm.epsilon, centers: norm.kind == .layer,
            addsOne: norm.addsOne, period: period, stride: weightStride)
    }

    /// y = norm(x).
    ///
    /// - Parameters:
    ///   - x, y: [rows, width]; may be the same.
    ///   - statistics: [2, rows]: means (unused by RMSNorm) and reciprocal deviations, where a backward pass follows.
    package func forward(
        _ x: UnsafePointer<Float>, rows: Int, statistics: UnsafeMutablePointer<Float>? = nil, into y: UnsafeMutablePointer<Float>,
        _ engine: MatrixEngine
    ) {
        guard norm.kind != .none else {
            if x != UnsafePointer(y) { y.update(from: x, count: rows * width) }
            return
        }
        let kernel = kernel
        engine.pool.forTiles(of: rows, size: tile) { range in
            let first = range.lowerBound, offset = first * width
            withUnsafePointer(to: kernel) {
                qk_norm_at(
                    engine.level, $0, x + offset, range.count, statistics.map { $0 + first }, statistics.map { $0 + rows + first },
                    y + offset)
            }
        }
    }
}
