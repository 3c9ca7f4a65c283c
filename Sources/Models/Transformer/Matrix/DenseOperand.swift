import CKernels

/// Left side of a product in float32: [rowCount, columnCount], stored so or transposed, without gaps.
struct DenseOperand {
    let elements: UnsafePointer<Float>
    let rowCount: Int
    let columnCount: Int
    let isTransposed: Bool

    init(_ elements: UnsafeBufferPointer<Float>, rowCount: Int, columnCount: Int, isTransposed: Bool = false) {
        guard let start = elements.baseAddress else { preconditionFailure("an operand of a product is empty") }
        self.elements = start
        self.rowCount = rowCount
        self.columnCount = columnCount
        self.isTransposed = isTransposed
    }

    var isContiguous: Bool { !isTransposed }

    /// Some of the rows, of an operand that is not transposed.
    func slice(_ rows: Range<Int>) -> DenseOperand {
        precondition(isContiguous, "rows of a transposed operand lie apart")
        return DenseOperand(
            UnsafeBufferPointer(start: elements + rows.lowerBound * columnCount, count: rows.count * columnCount), rowCount: rows.count,
            columnCount: columnCount)
    }

    /// Copies rows and columns into `tile`, `stride` floats from row to row.
    func copy(rows: Range<Int>, columns: Range<Int>, level: qk_simd, to tile: UnsafeMutablePointer<Float>, stride: Int) {
        if isTransposed {
            qk_matmul_transpose_at(
                level, elements + columns.lowerBound * rowCount + rows.lowerBound, rowCount, columns.count, rows.count, tile, stride)
        } else {
            for row in rows {
                (tile + (row - rows.lowerBound) * stride)
                    .update(from: elements + row * columnCount + columns.lowerBound, count: columns.count)
            }
        }
    }

    /// Fills the panel whose columns are these rows: [columns.count, width].
    func fillPanel(rows: Range<Int>, columns: Range<Int>, level: qk_simd, _ panel: UnsafeMutablePointer<Float>) {
        if isTransposed {
            let width = qk_matmul_width(level)
            for column in columns {
                let destination = panel + (column - columns.lowerBound) * width
                destination.update(from: elements + column * rowCount + rows.lowerBound, count: rows.count)
                (destination + rows.count).update(repeating: 0, count: width - rows.count)
            }
        } else {
            qk_matmul_panel_at(
                level, elements + rows.lowerBound * columnCount + columns.lowerBound, columnCount, rows.count, columns.count, panel)
        }
    }
}

/// Where a product goes: result = alpha product + beta result.
struct DenseResult {
    let elements: UnsafeMutablePointer<Float>
    let rowCount: Int
    let columnCount: Int
    let alpha: Float
    let beta: Float

    init(_ elements: UnsafeMutableBufferPointer<Float>, rowCount: Int, columnCount: Int, alpha: Float = 1, beta: Float) {
        guard let start = elements.baseAddress else { preconditionFailure("the result of a product is empty") }
        self.elements = start
        self.rowCount = rowCount
        self.columnCount = columnCount
        self.alpha = alpha
        self.beta = beta
    }

    func slice(_ rows: Range<Int>) -> DenseResult {
        DenseResult(
            UnsafeMutableBufferPointer(start: elements + rows.lowerBound * columnCount, count: rows.count * columnCount),
            rowCount: rows.count, columnCount: columnCount, alpha: alpha, beta: beta)
    }

    /// Takes a tile in whose rows are rows of the result.
    func store(_ tile: UnsafePointer<Float>, level: qk_simd, stride: Int, rows: Range<Int>, columns: Range<Int>) {
        qk_matmul_store_at(
            level, tile, stride, rows.count, columns.count, alpha, beta, elements + rows.lowerBound * columnCount + columns.lowerBound,
            columnCount)
    }

    /// Takes a tile in whose rows are columns of the result.
    func storeTransposed(_ tile: UnsafePointer<Float>, level: qk_simd, stride: Int, rows: Range<Int>, columns: Range<Int>) {
        qk_matmul_storeTransposed_at(
            level, tile, stride, rows.count, columns.count, alpha, beta, elements + rows.lowerBound * columnCount + columns.lowerBound,
            columnCount)
    }

    /// What is left of a product of depth 0.
    func scale() {
        for i in 0..<rowCount * columnCount { elements[i] = beta == 0 ? 0 : beta * elements[i] }
    }
}
