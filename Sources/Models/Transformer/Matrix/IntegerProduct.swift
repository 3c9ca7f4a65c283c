import CKernels
import Parallelism

/// x W^T in integers (`qk_matmul16`) for one or several weights of the same storage, format of blocks and input count, which share
/// the quantized x.
///
/// Few rows of x are multiplied by rows of the weights in place; many are laid out as panels, and the weights are expanded a
/// tile at a time. Both give the same bits.
struct IntegerProduct {
    let engine: MatrixEngine
    /// [rowCount][columnCount]; the engine gives some 500 rows at most.
    let x: UnsafePointer<Float>
    let rowCount: Int
    let columnCount: Int
    let targets: [Target]

    struct Target {
        let matrix: qk_matrix
        let result: DenseResult
    }

    /// From this many rows of x on, panels are worth their making: a panel has 16 or 32 columns, used or not.
    private static let panelRowCount = MatrixEngine.fewRows + 1
    /// Rows of weights in one task.
    private static let dotRows = 128, tileRows = 96
    private let width: Int
    private let quantized: UnsafeMutablePointer<Int16>
    private let scales: UnsafeMutablePointer<Float>
    private let panels: UnsafeMutablePointer<Int16>
    private let panelScales: UnsafeMutablePointer<Float>

    init(engine: MatrixEngine, x: UnsafePointer<Float>, rowCount: Int, columnCount: Int, targets: [Target]) {
        self.engine = engine
        self.x = x
        self.rowCount = rowCount
        self.columnCount = columnCount
        self.targets = targets
        width = qk_matmul16_width(columnCount)
        let panelWidth = qk_matmul_width(engine.level)
        let paddedCount = rowCount < Self.panelRowCount ? 0 : (rowCount + panelWidth - 1) / panelWidth * panelWidth
        let groupCount = width / Int(QK_GROUP)
        let memory = engine.shared.bytes((rowCount + paddedCount) * (2 * width + 4 * groupCount))
        quantized = memory.assumingMemoryBound(to: Int16.self)
        panels = quantized + rowCount * width
        scales = (memory + 2 * (rowCount + paddedCount) * width).assumingMemoryBound(to: Float.self)
        panelScales = scales + rowCount * groupCount
    }

    /// One parallel loop for all weights, besides what prepares x.
    func run() {
        guard let first = targets.first, rowCount > 0 else { return }
        quantize(for: first.matrix)
        if rowCount < Self.panelRowCount {
            forEachTile(of: Self.dotRows) { target, rows, worker in multiplyRows(rows, of: target, worker: worker) }
        } else {
            fillPanels(for: first.matrix)
            forEachTile(of: Self.tileRows) { target, rows, worker in multiplyTile(rows, of: target, worker: worker) }
        }
    }

    private func quantize(for matrix: qk_matrix) {
        let groupCount = width / Int(QK_GROUP)
        let quantizeRow = { (row: Int) in
            withUnsafePointer(to: matrix) {
                qk_matmul16_quantize_at(
                    engine.level, $0, x + row * columnCount, quantized + row * width, scales + row * groupCount)
            }
        }
        // A row takes about a microsecond: one alone is not worth waking a thread for.
        if rowCount == 1 { quantizeRow(0) } else { engine.pool.forKernels(count: rowCount) { row, _ in quantizeRow(row) } }
    }

    private func forEachTile(of tileRows: Int, _ body: (_ target: Target, _ rows: Range<Int>, _ worker: Int) -> Void) {
        Self.forEachTile(of: tileRows, targets, engine.pool, body)
    }

    /// Cuts the rows of all weights into tiles and runs `body` for each.
    static func forEachTile(
        of tileRows: Int, _ targets: [Target], _ pool: WorkerPool, _ body: (_ target: Target, _ rows: Range<Int>, _ worker: Int) -> Void
    ) {
        let counts = targets.map { ($0.matrix.rowCount + tileRows - 1) / tileRows }
        pool.forKernels(count: counts.reduce(0, +)) { index, worker in
            var target = 0, tile = index
            while tile >= counts[target] {
                tile -= counts[target]
                target += 1
            }
            let rows = tile * tileRows..<min(targets[target].matrix.rowCount, (tile + 1) * tileRows)
            body(targets[target], rows, worker)
        }
    }

    private func multiplyRows(_ rows: Range<Int>, of target: Target, worker: Int) {
        let sums = engine.scratch[worker].floats(rowCount * rows.count)
        withUnsafePointer(to: target.matrix) { matrix in
            qk_matmul16_dots_at(
                engine.level, matrix, rows.lowerBound, rows.count, quantized, scales, rowCount, sums, rows.count)
        }
        target.result.store(sums, level: engine.level, stride: rows.count, rows: 0..<rowCount, columns: rows)
    }

    private func fillPanels(for matrix: qk_matrix) {
        let panelWidth = qk_matmul_width(engine.level), groupCount = width / Int(QK_GROUP)
        engine.pool.forKernels(count: (rowCount + panelWidth - 1) / panelWidth) { panel, _ in
            let start = panel * panelWidth
            withUnsafePointer(to: matrix) {
                qk_matmul16_panel_at(
                    engine.level, $0, quantized + start * width, scales + start * groupCount, min(panelWidth, rowCount - start),
                    panels + start * width, panelScales + start * groupCount)
            }
        }
    }

    private func multiplyTile(_ rows: Range<Int>, of target: Target, worker: Int) {
        let panelWidth = qk_matmul_width(engine.level), groupSize = Int(QK_GROUP), groupCount = width / groupSize
        let depth = Int(QK_MATMUL16_DEPTH), stride = Int(QK_MATMUL16_STRIDE), scaleStride = depth / groupSize
        let panelCount = (rowCount + panelWidth - 1) / panelWidth
        let sumStride = panelCount * panelWidth
        let sums = engine.scratch[worker].floats(rows.count * sumStride + Self.tileRows * (stride / 2 + scaleStride))
        let tileScales = sums + rows.count * sumStride
        let tile = UnsafeMutableRawPointer(tileScales + Self.tileRows * scaleStride).assumingMemoryBound(to: Int16.self)
        withUnsafePointer(to: target.matrix) { matrix in
            for start in Swift.stride(from: 0, to: width, by: depth) {
                let count = min(depth, width - start)
                qk_matmul16_expand_at(engine.level, matrix, rows.lowerBound, rows.count, start, count, tile, tileScales)
                for panel in 0..<panelCount {
                    qk_matmul16_tile_at(
                        engine.level, matrix, tile, tileScales, rows.count, count, panels + panel * panelWidth * width + start * panelWidth,
                        panelScales + (panel * groupCount + start / groupSize) * panelWidth,
                        sums + panel * panelWidth, sumStride, start > 0)
                }
            }
        }
        target.result.storeTransposed(sums, level: engine.level, stride: sumStride, rows: 0..<rowCount, columns: rows)
    }
}
