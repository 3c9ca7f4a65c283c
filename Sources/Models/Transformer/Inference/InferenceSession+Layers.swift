import Architectures
import CKernels
import Parallelism

extension InferenceSession {
    /// x += output(attention(projections(norm(x)))); keys and values go to the cache.
    func attend(_ index: Int, rowCount: Int, _ rotations: [RotaryEmbedding: Rotation]) {
        let (layer, attention) = (weights.layers[index], configuration.layers[index].attention)
        let rotation = attention.rotary.flatMap { rotations[$0] }
        let queries = buffers.queries.first(rowCount * attention.queryWidth)  // [T, H D]
        let attended = buffers.attended.first(rowCount * attention.queryWidth)  // [T, H D]
        normalize(layer[norm: .attentionNorm], configuration.layers[index].norm, rows: 0..<rowCount)
        switch attention.projections {
        case .fused: projectTogether(layer, index, rowCount: rowCount, queries)
        case .separate: projectSeparately(layer, index, rowCount: rowCount, rotation, queries)
        }
        engine.attend(
            UnsafeBufferPointer(queries), queryCount: rowCount, firstPosition: count, headCount: attention.headCount,
            scale: attention.scale, cache: cache.view(layer: index, configuration), into: attended)
        engine.apply(
            layer[linear: .attentionOutput], to: UnsafeBufferPointer(attended), rowCount: rowCount, precision: precision, adds: true,
            into: buffers.x.first(rowCount * configuration.width))
    }

    /// Query, key and value of a position lie beside each other.
    private func projectTogether(_ layer: LayerWeights, _ index: Int, rowCount: Int, _ queries: UnsafeMutableBufferPointer<Float>) {
        let attention = configuration.layers[index].attention
        let (width, keyWidth) = (attention.queryWidth, attention.keyValueWidth), stride = width + 2 * keyWidth
        let projected = buffers.projected.first(rowCount * stride)  // [T, H D + 2 K D]
        engine.apply(
            layer[linear: .fusedQueryKeyValue], to: normed(rowCount), rowCount: rowCount, precision: precision, into: projected)
        guard let source = projected.baseAddress, let target = queries.baseAddress else { return }
        for row in 0..<rowCount { (target + row * width).update(from: source + row * stride, count: width) }
        cache.store(keys: source + width, values: source + width + keyWidth, stride: stride, positions: rowCount, layer: index)
    }

    private func projectSeparately(
        _ layer: LayerWeights, _ index: Int, rowCount: Int, _ rotation: Rotation?, _ queries: UnsafeMutableBufferPointer<Float>
    ) {
        let attention = configuration.layers[index].attention
        let width = attention.keyValueWidth
        let hasNorms = attention.headNorm != nil
        let queryNorm = hasNorms ? layer[norm: .queryNorm] : nil, keyNorm = hasNorms ? layer[norm: .keyNorm] : nil
        let keys = buffers.keys.first(rowCount * width)  // [T, K D]
        let values = buffers.values.first(rowCount * width)  // [T, K D]
        engine.apply(
            [layer[linear: .query], layer[linear: .key], layer[linear: .value]], to: normed(rowCount), rowCount: rowCount,
            precision: precision, into: [queries, keys, values])
        guard let query = queries.baseAddress, let key = keys.baseAddress, let value = values.baseAddress else { return }
        engine.forEachRow(rowCount) { row in
            turn(query + row * attention.queryWidth, attention.headCount, attention, queryNorm, rotation, row: row)
            turn(key + row * width, attention.keyValueHeadCount, attention, keyNorm, rotation, row: row)
        }
        cache.store(keys: key, values: value, stride: width, positions: rowCount, layer: index)
    }

    /// Norm of each head, where the model has one, and rotation.
    private func turn(
        _ heads: UnsafeMutablePointer<Float>, _ headCount: Int, _ attention: Attention, _ norm: NormWeights?, _ rotation: Rotation?,
        row: Int
    ) {
        let headWidth = attention.headWidth
        if let norm, let epsilon = attention.headNorm?.epsilon {
            norm.weight.withUnsafeBufferPointer { weight in
                guard let weight = weight.baseAddress else { return }
                var norm = qk_norm(
                    weight: weight, bias: nil, width: headWidth, epsilon: epsilon, centers: false, addsOne: false)
                qk_norm_at(engine.level, &norm, heads, headCount, nil, nil, heads)
            }
        }
        rotation?.apply(row: row, to: heads, headCount: headCount, level: engine.level)
    }

    /// x += down(activation(gate(norm(x))) * up(norm(x))), or without gate.
    func feedForward(_ index: Int, rowCount: Int) {
        let (layer, feedForward) = (weights.layers[index], configuration.layers[index].feedForward)
        let innerCount = rowCount * feedForward.innerWidth
        let gate = buffers.gate.first(innerCount)  // [T, I]
        let up = buffers.up.first(innerCount)  // [T, I]
        normalize(layer[norm: .feedForwardNorm], configuration.layers[index].norm, rows: 0..<rowCount)
        let isGated = feedForward.form == .gated
        let inputs = isGated ? [layer[linear: .gate], layer[linear: .up]] : [layer[linear: .up]]
        engine.apply(inputs, to: normed(rowCount), rowCount: rowCount, precision: precision, into: isGated ? [gate, up] : [gate])
        guard let first = gate.baseAddress, let second = up.baseAddress else { return }
        let (width, level, activation) = (feedForward.innerWidth, engine.level, feedForward.activation)
        engine.forEachRow(rowCount) { row in
            let start = first + row * width
            if isGated {
                qk_gated_at(level, QK_SILU, start, second + row * width, width, start)
            } else {
                qk_activate_at(level, activation.kernel, start, width, start)
            }
        }
        engine.apply(
            layer[linear: .down], to: UnsafeBufferPointer(gate), rowCount: rowCount, precision: precision, adds: true,
            into: buffers.x.first(rowCount * configuration.width))
    }

    /// normed = norm(x), for some rows.
    func normalize(_ norm: NormWeights, _ description: Norm, rows: Range<Int>) {
        let width = configuration.width
        let source = buffers.x.first(rows.upperBound * width)
        let target = buffers.normed.first(rows.upperBound * width)
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        let (epsilon, level) = (description.epsilon, engine.level)
        norm.weight.withUnsafeBufferPointer { weight in
            (norm.bias ?? []).withUnsafeBufferPointer { bias in
                let kernel = qk_norm(
                    weight: weight.baseAddress, bias: bias.isEmpty ? nil : bias.baseAddress, width: width, epsilon: epsilon,
                    centers: norm.bias != nil, addsOne: false)
                engine.forEachRow(rows.count) { index in
                    let offset = (rows.lowerBound + index) * width
                    withUnsafePointer(to: kernel) { qk_norm_at(level, $0, from + offset, 1, nil, nil, to + offset) }
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
