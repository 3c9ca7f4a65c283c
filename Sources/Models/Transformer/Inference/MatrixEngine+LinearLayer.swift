import CKernels

extension MatrixEngine {
    /// y = x W^T + b with everything that adapters add, or y += that where `adds`.
    ///
    /// - Parameters:
    ///   - x: [T, in].
    ///   - y: [T, out].
    func apply(
        _ layer: LinearLayer, to x: UnsafeBufferPointer<Float>, rowCount: Int, precision: Precision, adds: Bool = false,
        into y: UnsafeMutableBufferPointer<Float>
    ) {
        if layer.hasRowGains {
            applyWithGains(layer, to: x, rowCount: rowCount, precision: precision, adds: adds, into: y)
        } else {
            multiply(x, rowCount: rowCount, by: layer.matrix, precision: precision, adds: adds, into: y)
        }
        addRest(of: layer, x, rowCount: rowCount, to: y)
    }

    /// Several layers of the same x, whose base products are taken together: a token waits less for threads.
    func apply(
        _ layers: [LinearLayer], to x: UnsafeBufferPointer<Float>, rowCount: Int, precision: Precision,
        into results: [UnsafeMutableBufferPointer<Float>]
    ) {
        guard !layers.contains(where: \.hasRowGains) else {
            for (layer, y) in zip(layers, results) { apply(layer, to: x, rowCount: rowCount, precision: precision, into: y) }
            return
        }
        multiply(x, rowCount: rowCount, by: layers.map(\.matrix), precision: precision, into: results)
        for (layer, y) in zip(layers, results) { addRest(of: layer, x, rowCount: rowCount, to: y) }
    }

    /// y = x W^T + b in float32, row by row: the same bits for a row whatever others there are.
    func score(
        _ layer: LinearLayer, of x: UnsafeBufferPointer<Float>, rowCount: Int, into y: UnsafeMutableBufferPointer<Float>
    ) {
        guard !layer.hasRowGains else { return applyWithGains(layer, to: x, rowCount: rowCount, precision: .exact, adds: false, into: y) }
        score(layer.matrix, of: x, rowCount: rowCount, into: y)
        addRest(of: layer, x, rowCount: rowCount, to: y)
    }

    /// Bias, and what adapters add.
    private func addRest(
        of layer: LinearLayer, _ x: UnsafeBufferPointer<Float>, rowCount: Int, to y: UnsafeMutableBufferPointer<Float>
    ) {
        if let bias = layer.bias { addRow(bias, to: y, rowCount: rowCount) }
        for update in layer.updates {
            if let bias = update.bias { addRow(bias, to: y, rowCount: rowCount) }
            add(update, of: x, rowCount: rowCount, to: y)
        }
    }

    /// y += (x A^T) B^T.
    private func add(
        _ update: LowRankFactors, of x: UnsafeBufferPointer<Float>, rowCount: Int, to y: UnsafeMutableBufferPointer<Float>
    ) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: rowCount * update.rank) { inner in
            update.a.withUnsafeBufferPointer { a in
                product(x, a, transposesB: true, m: rowCount, n: update.rank, k: update.inputCount, into: inner)
            }
            update.b.withUnsafeBufferPointer { b in
                product(
                    UnsafeBufferPointer(inner), b, transposesB: true, m: rowCount, n: update.outputCount, k: update.rank, beta: 1, into: y)
            }
        }
    }

    /// DoRA: rows of W are lengthened, which is the same as to multiply the outputs of the base, without its bias.
    private func applyWithGains(
        _ layer: LinearLayer, to x: UnsafeBufferPointer<Float>, rowCount: Int, precision: Precision, adds: Bool,
        into y: UnsafeMutableBufferPointer<Float>
    ) {
        let outputCount = layer.matrix.outputCount
        var gains = [Float](repeating: 1, count: outputCount)
        for update in layer.updates {
            if let rowGains = update.rowGains { for output in gains.indices { gains[output] += rowGains[output] } }
        }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: rowCount * outputCount) { base in
            multiply(x, rowCount: rowCount, by: layer.matrix, precision: precision, into: base)
            for row in 0..<rowCount {
                for output in 0..<outputCount {
                    let index = row * outputCount + output
                    y[index] = (adds ? y[index] : 0) + gains[output] * base[index]
                }
            }
        }
    }

    /// y += row, for every row of y.
    private func addRow(_ row: [Float], to y: UnsafeMutableBufferPointer<Float>, rowCount: Int) {
        row.withUnsafeBufferPointer { row in
            qk_addToRows_at(level, row.baseAddress, rowCount, row.count, y.baseAddress)
        }
    }
}
