import CKernels
import Parallelism
package import Transformer

/// How much of each column's error the columns after it pay back, and in which order columns are coded: what feedback needs of H.
///
///     order          columns by falling h, equal ones by their number
///     G              H in that order, damping mean(h) added to its diagonal
///     G = M M'       M upper triangular: the Cholesky factor of the reversed matrix, reversed
///     a_ij           M_ij / M_jj        of the error at i, what is added to the target of j
///
/// In float64, each element one chain of fused multiply-adds in a fixed order: the same bits for any number of threads and on every
/// level. n^3 / 3 multiplications.
package final class PassingMatrix: @unchecked Sendable {
    /// Columns of the weight in the order in which they are coded: all, or those of a chunk where H is cut.
    package let order: [UInt32]
    /// The least of them.
    private let first: Int
    /// a, as `qk_feedback` takes it.
    let blocks: SymmetricBlocks

    /// - Parameter damping: in parts of the mean of h; positive.
    /// - Returns: nil where G is not positive definite: inputs that are all 0, or too large for their own sums.
    package convenience init?(_ moments: SymmetricBlocks, damping: Double, engine: MatrixEngine) {
        let diagonal = moments.diagonal, mean = diagonal.reduce(0, +) / Double(diagonal.count)
        self.init(moments, firstColumn: 0, adding: damping * mean, engine: engine)
    }

    /// - Parameters:
    ///   - moments: of a chunk.
    ///   - firstColumn: of the chunk.
    ///   - added: to the diagonal.
    private init?(_ moments: SymmetricBlocks, firstColumn: Int, adding added: Double, engine: MatrixEngine) {
        guard added > 0, added.isFinite else { return nil }
        let diagonal = moments.diagonal
        first = firstColumn
        order = diagonal.indices.sorted { (-diagonal[$0], $0) < (-diagonal[$1], $1) }.map { UInt32(firstColumn + $0) }
        blocks = SymmetricBlocks(count: moments.count)
        gather(moments, damping: added, engine)
        guard factor(engine) else { return nil }
        reverse(engine)
    }

    /// Of each chunk; what is added to diagonals is in parts of the mean over all of them.
    ///
    /// - Returns: nil where that of any chunk would be nil.
    package static func ofChunks(of moments: InputMoments, damping: Double, engine: MatrixEngine) -> [PassingMatrix]? {
        let diagonal = moments.diagonal, mean = diagonal.reduce(0, +) / Double(diagonal.count)
        var result: [PassingMatrix] = []
        for (chunk, matrix) in zip(moments.chunks, moments.matrices) {
            guard let passing = PassingMatrix(matrix, firstColumn: chunk.lowerBound, adding: damping * mean, engine: engine) else {
                return nil
            }
            result.append(passing)
        }
        return result
    }

    private var size: Int { SymmetricBlocks.size }

    /// G with rows and columns reversed; those beyond its end, which are in front then, are of the identity.
    private func gather(_ moments: SymmetricBlocks, damping: Double, _ engine: MatrixEngine) {
        let count = moments.count, padded = blocks.blockRowCount * size
        let reversed = (0..<padded).map { padded - 1 - $0 < count ? order[padded - 1 - $0] - UInt32(first) : UInt32.max }
        let (source, blocks, size) = (moments.block(at: 0), blocks, size)
        reversed.withUnsafeBufferPointer { reversed in
            engine.pool.forKernels(count: blocks.blockCount) { index, _ in
                let (row, column) = SymmetricBlocks.place(ofBlock: index)
                guard let rows = reversed.baseAddress else { return }
                qk_block64_gather(
                    source, count, rows + row * size, rows + column * size, row == column, damping, blocks.block(at: index))
            }
        }
    }

    /// Cholesky, block column after block column: what the ones before give is taken off first.
    private func factor(_ engine: MatrixEngine) -> Bool {
        let (blocks, level, count) = (blocks, engine.level, blocks.blockRowCount)
        for column in 0..<count {
            if column > 0 {
                engine.pool.forKernels(count: count - column) { index, _ in
                    let row = column + index
                    // Blocks of a block row lie one after another.
                    qk_block64_multiply_at(
                        level, blocks.block(column, 0), blocks.block(row, 0), column * size, true, blocks.block(row, column))
                }
            }
            guard qk_block64_factor(level, blocks.block(column, column)) else { return false }
            engine.pool.forKernels(count: count - column - 1) { index, _ in
                qk_block64_solve_at(level, blocks.block(column, column), blocks.block(column + 1 + index, column))
            }
        }
        return true
    }

    /// From the reversed factor to a, block by block in its place.
    private func reverse(_ engine: MatrixEngine) {
        let (blocks, size) = (blocks, size)
        let divisors = (0..<blocks.blockRowCount).flatMap { number in
            let block = blocks.block(number, number)
            return (0..<size).map { block[(size - 1 - $0) * (size + 1)] }
        }
        divisors.withUnsafeBufferPointer { divisors in
            engine.pool.forKernels(count: blocks.blockCount) { index, _ in
                let column = SymmetricBlocks.place(ofBlock: index).column
                qk_block64_reverse(blocks.block(at: index), divisors.baseAddress.map { $0 + column * size })
            }
        }
    }

    /// a_ij by places in the order, for tests and examples; 0 below the diagonal.
    package subscript(i: Int, j: Int) -> Double {
        guard i <= j else { return 0 }
        let last = blocks.blockRowCount - 1
        return blocks.block(last - i / size, last - j / size)[i % size * size + j % size]
    }
}
