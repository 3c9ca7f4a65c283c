package import CKernels
package import Parallelism
import TensorCore

/// Runs matrix products and attention on all threads of a pool, in scratch memory that it keeps.
///
/// An engine runs one thing at a time, as its pool does. Results do not depend on the number of threads.
package final class MatrixEngine {
    package let pool: WorkerPool
    /// Instructions used: the best there are, or fewer in tests.
    package let level: qk_simd
    let shared = ScratchBuffer()
    /// One for each worker: memory for a tile and its sums, under 1 MB.
    let scratch: [ScratchBuffer]

    package init(pool: WorkerPool, level: qk_simd = qk_simd_best()) {
        precondition(qk_simd_supports(level), "this processor has no such instructions")
        self.pool = pool
        self.level = level
        scratch = (0..<pool.threadCount).map { _ in ScratchBuffer() }
    }

    /// How products are computed, by the names that options give them. Dense weights are multiplied as in `exact` by all.
    package enum Precision: String, CaseIterable, Sendable {
        /// In float32.
        case exact
        /// 4-bit and 8-bit weights in integers, with activations of 13 bits: see `qk_matmul16`.
        case balanced
        /// Of at most `fewRows` rows of x 4-bit codes as bytes, with activations of 8 bits: see `qk_matmul8`. More rows, and weights that
        /// have no such product, as in `balanced`.
        case fast
    }

    /// Rows of x that are multiplied by rows of weights in place.
    package static let fewRows = 8

    /// y = x W^T, or y += x W^T where `adds`.
    ///
    /// - Parameters:
    ///   - x: [rowCount, inputCount].
    ///   - y: [rowCount, outputCount].
    package func multiply(
        _ x: UnsafeBufferPointer<Float>, rowCount: Int, by weight: WeightMatrix, precision: Precision = .exact, adds: Bool = false,
        into y: UnsafeMutableBufferPointer<Float>
    ) {
        check(x, y, rowCount: rowCount, weight)
        let result = DenseResult(y, rowCount: rowCount, columnCount: weight.outputCount, beta: adds ? 1 : 0)
        if let kernels = IntegerKernels(precision, for: weight, rowCount: rowCount) {
            let target = IntegerProduct.Target(matrix: weight.stored, result: result)
            multiplyIntegers(x, rowCount: rowCount, [target], inputCount: weight.inputCount, kernels)
        } else {
            let left = DenseOperand(x, rowCount: rowCount, columnCount: weight.inputCount)
            run(left, weight.stored, isContractedAlongRows: weight.orientation == .outputsByInputs, into: result)
        }
    }

    /// As above for several weights and the same x: queries, keys and values, for instance. It saves time where there are few
    /// rows, and gives the same bits as one product after the other.
    package func multiply(
        _ x: UnsafeBufferPointer<Float>, rowCount: Int, by weights: [WeightMatrix], precision: Precision = .exact,
        into results: [UnsafeMutableBufferPointer<Float>]
    ) {
        precondition(weights.count == results.count, "\(weights.count) weights and \(results.count) results")
        guard let first = weights.first else { return }
        let kernels = IntegerKernels(precision, for: first, rowCount: rowCount)
        let isShared = weights.allSatisfy {
            // Rows of x are quantized for one storage, and for one format of blocks.
            IntegerKernels(precision, for: $0, rowCount: rowCount) == kernels && $0.inputCount == first.inputCount
                && $0.stored.storage == first.stored.storage && $0.stored.blockFormat == first.stored.blockFormat
        }
        guard isShared, let kernels else {
            for (weight, y) in zip(weights, results) { multiply(x, rowCount: rowCount, by: weight, precision: precision, into: y) }
            return
        }
        let targets = zip(weights, results).map { weight, y in
            check(x, y, rowCount: rowCount, weight)
            let result = DenseResult(y, rowCount: rowCount, columnCount: weight.outputCount, beta: 0)
            return IntegerProduct.Target(matrix: weight.stored, result: result)
        }
        multiplyIntegers(x, rowCount: rowCount, targets, inputCount: first.inputCount, kernels)
    }

    /// y = x W^T in float32 for a weight of few outputs: the same bits for a row of x whatever other rows there are.
    ///
    /// - Parameters:
    ///   - weight: lies as [out, in].
    ///   - x: [rowCount, inputCount].
    ///   - y: [rowCount, outputCount].
    package func score(
        _ weight: WeightMatrix, of x: UnsafeBufferPointer<Float>, rowCount: Int, into y: UnsafeMutableBufferPointer<Float>
    ) {
        check(x, y, rowCount: rowCount, weight)
        precondition(weight.orientation == .outputsByInputs, "rows of scores are rows of the weight")
        guard let start = x.baseAddress, let result = y.baseAddress else { return }
        let vectors = Int(QK_MATDOT_VECTORS)
        pool.forTiles(of: rowCount, size: 4 * vectors) { range in
            for row in stride(from: range.lowerBound, to: range.upperBound, by: vectors) {
                withUnsafePointer(to: weight.stored) { matrix in
                    qk_matdot_at(
                        level, matrix, 0, weight.outputCount, start + row * weight.inputCount, weight.inputCount,
                        min(vectors, range.upperBound - row), result + row * weight.outputCount, weight.outputCount)
                }
            }
        }
    }

    private func check(
        _ x: UnsafeBufferPointer<Float>, _ y: UnsafeMutableBufferPointer<Float>, rowCount: Int, _ weight: WeightMatrix
    ) {
        precondition(
            x.count == rowCount * weight.inputCount && y.count == rowCount * weight.outputCount,
            "x of \(x.count) and y of \(y.count) floats for \(rowCount) rows of [\(weight.outputCount), \(weight.inputCount)]")
    }

    private func multiplyIntegers(
        _ x: UnsafeBufferPointer<Float>, rowCount: Int, _ targets: [IntegerProduct.Target], inputCount: Int, _ kernels: IntegerKernels
    ) {
        guard let start = x.baseAddress else { return }
        forEachSlice(of: rowCount) { rows in
            let slices = targets.map { IntegerProduct.Target(matrix: $0.matrix, result: $0.result.slice(rows)) }
            let x = start + rows.lowerBound * inputCount
            switch kernels {
            case .sixteenBits:
                IntegerProduct(engine: self, x: x, rowCount: rows.count, columnCount: inputCount, targets: slices).run()
            case .eightBits:
                ByteProduct(engine: self, x: x, rowCount: rows.count, columnCount: inputCount, targets: slices).run()
            }
        }
    }

    /// dx = dy W, or dx += dy W where `adds`: the way back through `multiply`.
    ///
    /// - Parameters:
    ///   - dy: [rowCount, outputCount].
    ///   - dx: [rowCount, inputCount].
    package func multiplyTransposed(
        _ dy: UnsafeBufferPointer<Float>, rowCount: Int, by weight: WeightMatrix, adds: Bool = false,
        into dx: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(
            dx.count == rowCount * weight.inputCount && dy.count == rowCount * weight.outputCount,
            "dx of \(dx.count) and dy of \(dy.count) floats for \(rowCount) rows of [\(weight.outputCount), \(weight.inputCount)]")
        let left = DenseOperand(dy, rowCount: rowCount, columnCount: weight.outputCount)
        let result = DenseResult(dx, rowCount: rowCount, columnCount: weight.inputCount, beta: adds ? 1 : 0)
        run(left, weight.stored, isContractedAlongRows: weight.orientation == .inputsByOutputs, into: result)
    }

    /// c = alpha op(a) op(b) + beta c, row by row without gaps, where op transposes or does nothing. With beta 0, c may hold anything.
    ///
    /// - Parameters:
    ///   - a: [m, k], or [k, m] where `transposesA`.
    ///   - b: [k, n], or [n, k] where `transposesB`.
    ///   - c: [m, n].
    package func product(
        _ a: UnsafeBufferPointer<Float>, transposesA: Bool = false, _ b: UnsafeBufferPointer<Float>, transposesB: Bool = false,
        m: Int, n: Int, k: Int, alpha: Float = 1, beta: Float = 0, into c: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(
            a.count == m * k && b.count == k * n && c.count == m * n,
            "\(a.count), \(b.count) and \(c.count) floats for a product of \(m), \(n) and \(k)")
        guard m > 0, n > 0 else { return }
        let result = DenseResult(c, rowCount: m, columnCount: n, alpha: alpha, beta: beta)
        guard k > 0 else { return result.scale() }
        let left = DenseOperand(a, rowCount: m, columnCount: k, isTransposed: transposesA)
        let right = WeightMatrix(
            dense: UnsafeRawBufferPointer(b), of: .f32, outputCount: n, inputCount: k,
            orientation: transposesB ? .outputsByInputs : .inputsByOutputs)
        run(left, right.stored, isContractedAlongRows: transposesB, into: result)
    }

    /// Rows of x at a time: more would need more memory for panels and gain nothing.
    private static let rowLimit = 512

    /// Slices of at most `rowLimit` rows; a few more in the last, for few rows alone would be summed in another order.
    private func forEachSlice(of rowCount: Int, _ body: (Range<Int>) -> Void) {
        var start = 0
        while start < rowCount {
            let left = rowCount - start
            let count = left <= Self.rowLimit + Int(QK_MATDOT_VECTORS) ? left : Self.rowLimit
            body(start..<start + count)
            start += count
        }
    }

    private func run(_ left: DenseOperand, _ right: qk_matrix, isContractedAlongRows: Bool, into result: DenseResult) {
        if left.isContiguous, left.rowCount > Self.rowLimit + Int(QK_MATDOT_VECTORS) {
            return forEachSlice(of: left.rowCount) { rows in
                run(left.slice(rows), right, isContractedAlongRows: isContractedAlongRows, into: result.slice(rows))
            }
        }
        guard left.rowCount > 0 else { return }
        let isFew = left.rowCount <= Int(QK_MATDOT_VECTORS) && left.isContiguous
        switch (isContractedAlongRows, isFew) {
        case (true, true): RowDots(engine: self, left: left, right: right, result: result).run()
        case (true, false): RowProduct(engine: self, left: left, right: right, result: result).run()
        case (false, true): ColumnSums(engine: self, left: left, right: right, result: result).run()
        case (false, false): ColumnProduct(engine: self, left: left, right: right, result: result).run()
        }
    }
}
