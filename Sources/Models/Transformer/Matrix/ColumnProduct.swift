import CKernels
import Parallelism

/// left . right for a right side whose columns become the result's: its rows are expanded straight into panels.
///
///     result [left rows][right columns] = left [left rows][depth] . right [depth][right columns]
struct ColumnProduct {
    let engine: MatrixEngine
    let left: DenseOperand
    let right: qk_matrix
    let result: DenseResult

    private let depth = Int(QK_MATMUL_DEPTH)
    private let stride = Int(QK_MATMUL_STRIDE)

    /// Columns of the right side in one task: a cache line of 4-bit codes from each of its rows.
    private static let tileColumns = 128
    /// Rows of the left side in one task.
    private static let groupRows = 512

    init(engine: MatrixEngine, left: DenseOperand, right: qk_matrix, result: DenseResult) {
        self.engine = engine
        self.left = left
        self.right = right
        self.result = result
    }

    func run() {
        let pieceCount = (left.columnCount + depth - 1) / depth
        let tiles = engine.shared.floats(pieceCount * left.rowCount * stride)
        fillTiles(tiles, pieceCount: pieceCount)
        let tileCount = (right.columnCount + Self.tileColumns - 1) / Self.tileColumns
        let groupRows = tileCount >= 4 * engine.pool.threadCount ? Self.groupRows : 48
        let groupCount = (left.rowCount + groupRows - 1) / groupRows
        engine.pool.forKernels(count: tileCount * groupCount) { index, worker in
            let tile = index / groupCount, group = index % groupCount
            let columns = tile * Self.tileColumns..<min(right.columnCount, (tile + 1) * Self.tileColumns)
            let rows = group * groupRows..<min(left.rowCount, (group + 1) * groupRows)
            multiply(rows: rows, columns: columns, tiles: tiles, worker: worker)
        }
    }

    /// The left side in pieces of depth, each [left rows][stride].
    private func fillTiles(_ tiles: UnsafeMutablePointer<Float>, pieceCount: Int) {
        let rowCount = left.rowCount, rowsAtOnce = 64
        let groupCount = (rowCount + rowsAtOnce - 1) / rowsAtOnce
        engine.pool.forKernels(count: pieceCount * groupCount) { index, _ in
            let piece = index / groupCount, group = index % groupCount
            let rows = group * rowsAtOnce..<min(rowCount, (group + 1) * rowsAtOnce)
            let columns = piece * depth..<min(left.columnCount, (piece + 1) * depth)
            left.copy(
                rows: rows, columns: columns, level: engine.level, to: tiles + (piece * rowCount + rows.lowerBound) * stride, stride: stride
            )
        }
    }

    private func multiply(rows: Range<Int>, columns: Range<Int>, tiles: UnsafePointer<Float>, worker: Int) {
        let width = qk_matmul_width(engine.level)
        let panelCount = (columns.count + width - 1) / width
        let sumStride = panelCount * width
        let panels = engine.scratch[worker].floats(panelCount * width * depth + rows.count * sumStride)
        let sums = panels + panelCount * width * depth
        for start in Swift.stride(from: 0, to: left.columnCount, by: depth) {
            let count = min(depth, left.columnCount - start)
            withUnsafePointer(to: right) { matrix in
                qk_matmul_expandPanels_at(engine.level, matrix, start, count, columns.lowerBound, columns.count, panels)
            }
            let piece = tiles + (start / depth * left.rowCount + rows.lowerBound) * stride
            for panel in 0..<panelCount {
                qk_matmul_tile_at(
                    engine.level, piece, rows.count, count, panels + panel * width * count, sums + panel * width, sumStride, start > 0)
            }
        }
        result.store(sums, level: engine.level, stride: sumStride, rows: rows, columns: columns)
    }
}

/// left . right for a left side of few rows.
struct ColumnSums {
    let engine: MatrixEngine
    let left: DenseOperand
    let right: qk_matrix
    let result: DenseResult

    func run() {
        // At most the kernel's columns, and enough tiles for the threads: how columns are cut changes no bits.
        let wanted = (right.columnCount + 4 * engine.pool.threadCount - 1) / (4 * engine.pool.threadCount)
        let tileColumns = min(Int(QK_MATDOT_COLUMNS), max(64, (wanted + 63) / 64 * 64))
        engine.pool.forKernels(count: (right.columnCount + tileColumns - 1) / tileColumns) { tile, worker in
            let columns = tile * tileColumns..<min(right.columnCount, (tile + 1) * tileColumns)
            let sums = engine.scratch[worker].floats(left.rowCount * columns.count)
            withUnsafePointer(to: right) { matrix in
                qk_matdot_columns_at(
                    engine.level, matrix, columns.lowerBound, columns.count, left.elements, left.columnCount, left.rowCount, sums,
                    columns.count)
            }
            result.store(sums, level: engine.level, stride: columns.count, rows: 0..<left.rowCount, columns: columns)
        }
    }
}
