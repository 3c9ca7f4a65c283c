import Architectures
import CKernels
import Parallelism
import Transformer

extension NormLayer {
    /// Columns a worker takes at a time of the gradients of weight and bias.
    private static var columnTile: Int { 256 }

    /// dx += the gradient through the norm; gradients of weight and bias where they are trained.
    ///
    /// - Parameters:
    ///   - x, statistics: of `forward`, [rows, width] and [2, rows].
    func backward(
        _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, rows: Int, statistics: UnsafePointer<Float>,
        addingTo dx: UnsafeMutablePointer<Float>, _ engine: MatrixEngine
    ) {
        guard norm.kind != .none else { return qk_addToRows_at(engine.level, dy, 1, rows * width, dx) }
        let kernel = kernel
        engine.pool.forTiles(of: rows, size: tile) { range in
            let first = range.lowerBound, offset = first * width
            withUnsafePointer(to: kernel) {
                qk_norm_backward_at(
                    engine.level, $0, dy + offset, x + offset, range.count, statistics + first, statistics + rows + first, dx + offset)
            }
        }
        guard let dweight = weight.gradient else { return }
        for number in 0..<period {
            // Every row of weights is that of each `period`th row.
            let stride = period * width, count = rows / period, means = norm.kind == .layer ? statistics + number : nil
            engine.pool.forTiles(of: width, size: Self.columnTile) { range in
                let first = number * width + range.lowerBound, place = number * weightStride + range.lowerBound
                qk_norm_weightGradient_at(
                    engine.level, dy + first, x + first, means, statistics + rows + number, count, stride, period, range.count,
                    dweight + place)
                if let dbias = bias?.gradient { qk_addRows_at(engine.level, dy + first, count, stride, range.count, dbias + place) }
            }
        }
    }
}
