import CKernels
import Parallelism
import Records
import Transformer

/// Rows of a table of tokens, and of one of positions where those are learned.
struct EmbeddingLayer {
    let tokens: BaseWeight
    /// Values and gradient like those of a vector, row after row.
    let positions: VectorParameter?
    /// Rows before that of the first position.
    let positionOffset: Int
    /// What rows of tokens are multiplied by.
    let scale: Float
    /// Of the sum; nil for none.
    let norm: NormLayer?

    var width: Int { tokens.inputCount }

    private static let tile = 16
    private static let columnTile = 128

    /// - Parameter x: [N, C]
    func forward(_ batch: PreparedBatch, into x: UnsafeMutablePointer<Float>, _ context: StepContext) {
        sum(batch, into: x, pool: context.pool)
        norm?.forward(x, rows: batch.positionCount, into: x, context.engine)
    }

    /// Rows of the tables, added up.
    private func sum(_ batch: PreparedBatch, into x: UnsafeMutablePointer<Float>, pool: WorkerPool) {
        pool.forTiles(of: batch.positionCount, size: Self.tile) { range in
            for n in range {
                let row = x + n * width
                tokens.readRow(Int(batch.batch.tokens[n]), into: row)
                if scale != 1 { qk_scale_at(qk_simd_best(), scale, width, row) }
                if let positions {
                    qk_addToRows_at(qk_simd_best(), positions.values + (batch.positions[n] + positionOffset) * width, 1, width, row)
                }
            }
        }
    }

    /// Adds the gradients of norm and tables, where they are trained.
    ///
    /// - Parameters:
    ///   - dx: [N, C]; overwritten.
    ///   - scratch: [N, C] twice, and [2, N]; used only with a norm.
    func backward(
        _ dx: UnsafeMutablePointer<Float>, _ batch: PreparedBatch, scratch: [UnsafeMutablePointer<Float>], _ context: StepContext
    ) {
        guard let norm else { return addGradients(dx, batch, pool: context.pool) }
        guard tokens.gradient != nil || positions?.gradient != nil || norm.weight.gradient != nil else { return }
        let rows = batch.positionCount, count = rows * width, (sums, dsums, statistics) = (scratch[0], scratch[1], scratch[2])
        sum(batch, into: sums, pool: context.pool)
        norm.forward(sums, rows: rows, statistics: statistics, into: dsums, context.engine)
        dsums.update(repeating: 0, count: count)
        norm.backward(dx, x: sums, rows: rows, statistics: statistics, addingTo: dsums, context.engine)
        addGradients(dsums, batch, pool: context.pool)
    }

    private func addGradients(_ dx: UnsafeMutablePointer<Float>, _ batch: PreparedBatch, pool: WorkerPool) {
        let tokenGradient = tokens.gradient, positionGradient = positions?.gradient
        guard tokenGradient != nil || positionGradient != nil else { return }
        // A token may come up often: columns are divided among the threads, and each adds the rows in order.
        pool.forTiles(of: width, size: Self.columnTile) { range in
            for n in 0..<batch.positionCount {
                let source = dx + n * width + range.lowerBound
                if let positionGradient {
                    let row = positionGradient + (batch.positions[n] + positionOffset) * width + range.lowerBound
                    qk_addToRows_at(qk_simd_best(), source, 1, range.count, row)
                }
                if let tokenGradient {
                    let row = tokenGradient + Int(batch.batch.tokens[n]) * width + range.lowerBound
                    if scale != 1 { qk_scale_at(qk_simd_best(), scale, range.count, source) }
                    qk_addToRows_at(qk_simd_best(), source, 1, range.count, row)
                }
            }
        }
    }
}
