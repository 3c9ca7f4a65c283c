import CKernels
import Parallelism

/// left . right^T for a right side whose rows are contracted: tiles of its rows are expanded, left's rows are the panels.
///
///     result^T [right rows][left rows] = right [right rows][depth] . left^T [depth][left rows]
struct RowProduct {
    let engine: MatrixEngine
    let left: DenseOperand
    let right: qk_matrix
    let result: DenseResult

    private let depth = Int(QK_MATMUL_DEPTH)
    private let stride = Int(QK_MATMUL_STRIDE)

    /// Rows of the right side in a tile: with 272 floats each they stay in the second-level cache.
    private static let tileRows = 96
    /// Rows of the left side that are multiplied in one task, so that the sums stay there as well.
    private static let groupRows = 512

    init(engine: MatrixEngine, left: DenseOperand, right: qk_matrix, result: DenseResult) {
        self.engine = engine
        self.left = left
        self.right = right
        self.result = result
    }

    func run() {
        let width = qk_matmul_width(engine.level)
        let panelCount = (left.rowCount + width - 1) / width
        let panels = engine.shared.floats(panelCount * width * left.columnCount)
        fillPanels(panels, width: width, count: panelCount)
        let tileCount = (right.rowCount + Self.tileRows - 1) / Self.tileRows
        // Few tiles: cut the left side finer, or threads have nothing to do.
        let groupRows = tileCount >= 4 * engine.pool.threadCount ? Self.groupRows : 2 * width
        let groupCount = (left.rowCount + groupRows - 1) / groupRows
        engine.pool.forKernels(count: tileCount * groupCount) { index, worker in
            let tile = index / groupCount, group = index % groupCount
            let rows = tile * Self.tileRows..<min(right.rowCount, (tile + 1) * Self.tileRows)
            let columns = group * groupRows..<min(left.rowCount, (group + 1) * groupRows)
            multiply(rows: rows, columns: columns, panels: panels, width: width, worker: worker)
        }
    }

    /// Panels one after the other, each of the whole depth.
    private func fillPanels(_ panels: UnsafeMutablePointer<Float>, width: Int, count: Int) {
        engine.pool.forKernels(count: count) { panel, _ in
            let rows = panel * width..<min(left.rowCount, (panel + 1) * width)
            left.fillPanel(rows: rows, columns: 0..<left.columnCount, level: engine.level, panels + panel * width * left.columnCount)
        }
    }

    private func multiply(rows: Range<Int>, columns: Range<Int>, panels: UnsafePointer<Float>, width: Int, worker: Int) {
        let panelRange = columns.lowerBound / width..<(columns.upperBound + width - 1) / width
        let sumStride = panelRange.count * width
        let tile = engine.scratch[worker].floats(Self.tileRows * stride + rows.count * sumStride)
        let sums = tile + Self.tileRows * stride
        withUnsafePointer(to: right) { matrix in
            for start in Swift.stride(from: 0, to: left.columnCount, by: depth) {
                let count = min(depth, left.columnCount - start)
                for row in rows {
                    qk_matrix_expand_at(engine.level, matrix, row, start, count, tile + (row - rows.lowerBound) * stride)
                }
                for panel in panelRange {
                    qk_matmul_tile_at(
                        engine.level, tile, rows.count, count, panels + (panel * left.columnCount + start) * width,
                        sums + (panel - panelRange.lowerBound) * width, sumStride, start > 0)
                }
            }
        }
        result.storeTransposed(sums, level: engine.level, stride: sumStride, rows: columns, columns: rows)
    }
}

/// left . right^T for a left side of few rows.
struct RowDots {
    let engine: MatrixEngine
    let left: DenseOperand
    let right: qk_matrix
    let result: DenseResult

    private static let tileRows = 64

    func run() {
        let tileCount = (right.rowCount + Self.tileRows - 1) / Self.tileRows
        engine.pool.forKernels(count: tileCount) { tile, worker in
            let rows = tile * Self.tileRows..<min(right.rowCount, (tile + 1) * Self.tileRows)
            let sums = engine.scratch[worker].floats(left.rowCount * rows.count)
            withUnsafePointer(to: right) { matrix in
                qk_matdot_at(
                    engine.level, matrix, rows.lowerBound, rows.count, left.elements, left.columnCount, left.rowCount, sums, rows.count)
            }
            result.store(sums, level: engine.level, stride: rows.count, rows: 0..<left.rowCount, columns: rows)
        }
    }
}
