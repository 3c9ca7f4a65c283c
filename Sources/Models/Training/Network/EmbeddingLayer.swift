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
    /// From rows of tokens, [E], to C; nil where they have that width. A model with one has no norm of the sum.
    var projection: BaseWeight?
    /// Beside the projection, where LoRA tunes it.
    var update: LowRankBranch?

    /// C.
    var width: Int { projection?.outputCount ?? tokens.inputCount }
    /// E.
    private var tokenWidth: Int { tokens.inputCount }

    private static let tile = 16
    private static let columnTile = 128

    /// - Parameters:
    ///   - x: [N, C]
    ///   - scratch: [N, E]; used only with a projection.
    func forward(
        _ batch: PreparedBatch, into x: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>, updates: UpdateMemory,
        _ context: StepContext
    ) {
        sum(batch, into: x, scratch: scratch, updates: updates, context)
        norm?.forward(x, rows: batch.positionCount, into: x, context.engine)
    }

    /// Rows of the tables, added up.
    private func sum(
        _ batch: PreparedBatch, into x: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>, updates: UpdateMemory,
        _ context: StepContext
    ) {
        readTokens(batch, into: projection == nil ? x : scratch, pool: context.pool)
        projection?.multiply(scratch, rows: batch.positionCount, into: x, context)
        update?.forward(scratch, rows: batch.positionCount, u: updates.u, addingTo: x, scratch: updates.dropped, context)
        guard let positions else { return }
        context.pool.forTiles(of: batch.positionCount, size: Self.tile) { range in
            for n in range {
                let position = positions.values + (batch.positions[n] + positionOffset) * width
                qk_addToRows_at(qk_simd_best(), position, 1, width, x + n * width)
            }
        }
    }

    /// Rows of tokens, [N, E].
    private func readTokens(_ batch: PreparedBatch, into rows: UnsafeMutablePointer<Float>, pool: WorkerPool) {
        pool.forTiles(of: batch.positionCount, size: Self.tile) { range in
            for n in range {
                let row = rows + n * tokenWidth
                tokens.readRow(Int(batch.batch.tokens[n]), into: row)
                if scale != 1 { qk_scale_at(qk_simd_best(), scale, tokenWidth, row) }
            }
        }
    }

    /// Adds the gradients of norm, tables and the projection's update, where they are trained.
    ///
    /// - Parameters:
    ///   - dx: [N, C]; overwritten.
    ///   - scratch: [N, C] twice, and [2, N]; used only with a norm or a projection.
    ///   - updates: of `forward`.
    func backward(
        _ dx: UnsafeMutablePointer<Float>, _ batch: PreparedBatch, scratch: [UnsafeMutablePointer<Float>], updates: UpdateMemory,
        _ context: StepContext
    ) {
        guard let norm else { return addGradients(dx, batch, scratch: scratch, updates: updates, context) }
        guard tokens.gradient != nil || positions?.gradient != nil || norm.weight.gradient != nil else { return }
        let rows = batch.positionCount, count = rows * width, (sums, dsums, statistics) = (scratch[0], scratch[1], scratch[2])
        sum(batch, into: sums, scratch: dsums, updates: updates, context)
        norm.forward(sums, rows: rows, statistics: statistics, into: dsums, context.engine)
        dsums.update(repeating: 0, count: count)
        norm.backward(dx, x: sums, rows: rows, statistics: statistics, addingTo: dsums, context.engine)
        addGradients(dsums, batch, scratch: scratch, updates: updates, context)
    }

    private func addGradients(
        _ dx: UnsafeMutablePointer<Float>, _ batch: PreparedBatch, scratch: [UnsafeMutablePointer<Float>], updates: UpdateMemory,
        _ context: StepContext
    ) {
        guard tokens.gradient != nil || positions?.gradient != nil || update != nil else { return }
        if let gradient = positions?.gradient {
            addRows(dx, width: width, to: gradient, batch.positions.map { $0 + positionOffset }, pool: context.pool)
        }
        var drows = dx
        if let projection {
            readTokens(batch, into: scratch[0], pool: context.pool)
            projection.addGradient(dx, x: scratch[0], rows: batch.positionCount, context)
            update?.backward(
                dx, x: scratch[0], u: updates.u, rows: batch.positionCount, addingTo: nil, dv: updates.dv, scratch: updates.dropped, context
            )
            // Of LoRA nobody wants the gradient of a token.
            guard tokens.gradient != nil else { return }
            drows = scratch[1]
            projection.multiplyTransposed(dx, rows: batch.positionCount, into: drows, accumulates: false, context)
        }
        guard let gradient = tokens.gradient else { return }
        if scale != 1 {
            context.pool.forTiles(of: batch.positionCount * tokenWidth, size: 1 << 14) { range in
                qk_scale_at(qk_simd_best(), scale, range.count, drows + range.lowerBound)
            }
        }
        addRows(drows, width: tokenWidth, to: gradient, (0..<batch.positionCount).map { Int(batch.batch.tokens[$0]) }, pool: context.pool)
    }

    /// Adds row n to row `indices[n]` of a table.
    ///
    /// An index may come up often: columns are divided among the threads, and each adds the rows in order.
    private func addRows(
        _ rows: UnsafeMutablePointer<Float>, width: Int, to table: UnsafeMutablePointer<Float>, _ indices: [Int], pool: WorkerPool
    ) {
        pool.forTiles(of: width, size: Self.columnTile) { range in
            for (n, index) in indices.enumerated() {
                let place = table + index * width + range.lowerBound
                qk_addToRows_at(qk_simd_best(), rows + n * width + range.lowerBound, 1, range.count, place)
            }
        }
    }
}
