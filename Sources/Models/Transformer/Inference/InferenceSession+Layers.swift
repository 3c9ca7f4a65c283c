import CKernels
import Parallelism

extension InferenceSession {
    /// x += attentionOutput(attention(attentionInputs(norm(x)))); keys and values go to the cache.
    func attend(_ index: Int, rowCount: Int, _ rotation: Rotation?) {
        let layer = weights.layers[index]
        let queries = buffers.queries.first(rowCount * configuration.queryWidth)  // [T, H D]
        let attended = buffers.attended.first(rowCount * configuration.queryWidth)  // [T, H D]
        normalize(layer.attentionNorm, rows: 0..<rowCount)
        if layer.attentionInputs.count == 1 {
            projectTogether(layer, index, rowCount: rowCount, queries)
        } else {
            projectSeparately(layer, index, rowCount: rowCount, rotation, queries)
        }
        engine.attend(
            UnsafeBufferPointer(queries), queryCount: rowCount, firstPosition: count, headCount: configuration.headCount,
            scale: configuration.attentionScale(layer: index), cache: cache.view(layer: index, configuration), into: attended)
        engine.apply(
            layer.attentionOutput, to: UnsafeBufferPointer(attended), rowCount: rowCount, precision: precision, adds: true,
            into: buffers.x.first(rowCount * configuration.width))
    }

    /// GPT-2: query, key and value of a position lie beside each other.
    private func projectTogether(_ layer: LayerWeights, _ index: Int, rowCount: Int, _ queries: UnsafeMutableBufferPointer<Float>) {
        let width = configuration.width
        let projected = buffers.projected.first(rowCount * 3 * width)  // [T, 3 C]
        engine.apply(layer.attentionInputs[0], to: normed(rowCount), rowCount: rowCount, precision: precision, into: projected)
        guard let source = projected.baseAddress, let target = queries.baseAddress else { return }
        for row in 0..<rowCount { (target + row * width).update(from: source + row * 3 * width, count: width) }
        cache.store(keys: source + width, values: source + 2 * width, stride: 3 * width, positions: rowCount, layer: index)
    }

    private func projectSeparately(
        _ layer: LayerWeights, _ index: Int, rowCount: Int, _ rotation: Rotation?, _ queries: UnsafeMutableBufferPointer<Float>
    ) {
        let width = configuration.keyValueWidth
        let keys = buffers.keys.first(rowCount * width)  // [T, K D]
        let values = buffers.values.first(rowCount * width)  // [T, K D]
        engine.apply(
            layer.attentionInputs, to: normed(rowCount), rowCount: rowCount, precision: precision, into: [queries, keys, values])
        guard let query = queries.baseAddress, let key = keys.baseAddress, let value = values.baseAddress else { return }
        engine.forEachRow(rowCount) { row in
            turn(query + row * configuration.queryWidth, configuration.headCount, layer.queryNorm, rotation, row: row)
            turn(key + row * width, configuration.keyValueHeadCount, layer.keyNorm, rotation, row: row)
        }
        cache.store(keys: key, values: value, stride: width, positions: rowCount, layer: index)
    }

    /// Norm of each head, where the model has one, and rotation.
    private func turn(_ heads: UnsafeMutablePointer<Float>, _ headCount: Int, _ norm: NormWeights?, _ rotation: Rotation?, row: Int) {
        let headWidth = configuration.headWidth
        if let norm {
            norm.weight.withUnsafeBufferPointer { weight in
                guard let weight = weight.baseAddress else { return }
                for head in 0..<headCount {
                    let start = heads + head * headWidth
                    qk_rmsNorm_at(engine.level, start, weight, headWidth, configuration.normEpsilon, start)
                }
            }
        }
        rotation?.apply(row: row, to: heads, headCount: headCount, level: engine.level)
    }

    /// x += mlpOutput(activation(mlpInputs(norm(x)))).
    func feedForward(_ index: Int, rowCount: Int) {
        let layer = weights.layers[index]
        let innerCount = rowCount * configuration.innerWidth
        let gate = buffers.gate.first(innerCount)  // [T, I]
        let up = buffers.up.first(innerCount)  // [T, I]
        normalize(layer.mlpNorm, rows: 0..<rowCount)
        let outputs = layer.mlpInputs.count == 2 ? [gate, up] : [gate]
        engine.apply(layer.mlpInputs, to: normed(rowCount), rowCount: rowCount, precision: precision, into: outputs)
        guard let first = gate.baseAddress, let second = up.baseAddress else { return }
        let (width, level, isGated) = (configuration.innerWidth, engine.level, layer.mlpInputs.count == 2)
        let activation = configuration.activation
        engine.forEachRow(rowCount) { row in
            let start = first + row * width
            if isGated {
                qk_siluTimes_at(level, start, second + row * width, width, start)
            } else {
                activation.apply(to: start, count: width, level: level)
            }
        }
        engine.apply(
            layer.mlpOutput, to: UnsafeBufferPointer(gate), rowCount: rowCount, precision: precision, adds: true,
            into: buffers.x.first(rowCount * configuration.width))
    }

    /// normed = norm(x), for some rows.
    func normalize(_ norm: NormWeights, rows: Range<Int>) {
        let width = configuration.width
        let source = buffers.x.first(rows.upperBound * width)
        let target = buffers.normed.first(rows.upperBound * width)
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        let (epsilon, level) = (configuration.normEpsilon, engine.level)
        norm.weight.withUnsafeBufferPointer { weight in
            guard let weight = weight.baseAddress else { return }
            engine.forEachRow(rows.count) { index in
                let offset = (rows.lowerBound + index) * width
                if let bias = norm.bias {
                    bias.withUnsafeBufferPointer {
                        guard let bias = $0.baseAddress else { return }
                        qk_layerNorm_at(level, from + offset, weight, bias, width, epsilon, to + offset)
                    }
                } else {
                    qk_rmsNorm_at(level, from + offset, weight, width, epsilon, to + offset)
                }
            }
        }
    }

    private func normed(_ rowCount: Int) -> UnsafeBufferPointer<Float> {
        UnsafeBufferPointer(buffers.normed.first(rowCount * configuration.width))
    }
}

extension MatrixEngine {
    /// Rows of work that a thread takes at a time: less is not worth waking it.
    private static let rowsAtOnce = 4

    /// Calls `body` for every row, those of a long pass on all threads.
    func forEachRow(_ rowCount: Int, _ body: (Int) -> Void) {
        guard rowCount > Self.rowsAtOnce else { return (0..<rowCount).forEach(body) }
        pool.forEach(count: (rowCount + Self.rowsAtOnce - 1) / Self.rowsAtOnce) { piece, _ in
            (piece * Self.rowsAtOnce..<min(rowCount, (piece + 1) * Self.rowsAtOnce)).forEach(body)
        }
    }
}
