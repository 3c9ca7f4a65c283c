import CKernels
import Parallelism

/// x W^T by `qk_matmul8`, for one or several weights of the same input count, which share the quantized x.
///
/// A row of x gets the same bits whatever others there are.
struct ByteProduct {
    let engine: MatrixEngine
    /// [rowCount][columnCount], of at most `MatrixEngine.fewRows` rows.
    let x: UnsafePointer<Float>
    let rowCount: Int
    let columnCount: Int
    let targets: [IntegerProduct.Target]

    /// Rows of weights in one task.
    private static let tileRows = 128
    private let quantized: UnsafeMutablePointer<UInt8>
    private let scales: UnsafeMutablePointer<Float>

    init(engine: MatrixEngine, x: UnsafePointer<Float>, rowCount: Int, columnCount: Int, targets: [IntegerProduct.Target]) {
        self.engine = engine
        self.x = x
        self.rowCount = rowCount
        self.columnCount = columnCount
        self.targets = targets
        let rowBytes = columnCount / Int(QK_GROUP) * Int(QK_MATMUL8_BYTES)
        let memory = engine.shared.bytes(rowCount * (rowBytes + 4))
        quantized = memory.assumingMemoryBound(to: UInt8.self)
        scales = (memory + rowCount * rowBytes).assumingMemoryBound(to: Float.self)
    }

    /// One parallel loop for all weights, besides what prepares x.
    func run() {
        let quantizeRow = { (row: Int) in
            qk_matmul8_quantize_at(engine.level, x + row * columnCount, columnCount, row, rowCount, quantized, scales)
        }
        // One alone is not worth waking a thread for.
        if rowCount == 1 { quantizeRow(0) } else { engine.pool.forKernels(count: rowCount) { row, _ in quantizeRow(row) } }
        IntegerProduct.forEachTile(of: Self.tileRows, targets, engine.pool) { target, rows, worker in
            multiplyRows(rows, of: target, worker: worker)
        }
    }

    private func multiplyRows(_ rows: Range<Int>, of target: IntegerProduct.Target, worker: Int) {
        let sums = engine.scratch[worker].floats(rowCount * rows.count)
        withUnsafePointer(to: target.matrix) { matrix in
            qk_matmul8_dots_at(engine.level, matrix, rows.lowerBound, rows.count, quantized, scales, rowCount, sums, rows.count)
        }
        target.result.store(sums, level: engine.level, stride: rows.count, rows: 0..<rowCount, columns: rows)
    }
}
