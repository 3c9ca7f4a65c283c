import Architectures
import CKernels
import Parallelism

extension TransformerBlock {
    /// Queries, keys and values as attention sees them, but not yet turned.
    func project<Pass: BlockPass>(
        _ input: UnsafePointer<Float>, _ memory: BlockMemory, _ pass: Pass
    ) -> AttentionRows where Pass.Linear == Linear {
        let n = pass.positionCount, rows = AttentionRows(memory.projections, of: attention, positions: n)
        // Memory may be that of a layer with norms, where this one has none.
        let changesHeads = headNorms != nil || attention.clip != nil
        let queries = (changesHeads ? memory.rawQueries : nil) ?? rows.q.pointer
        let keys = (changesHeads ? memory.rawKeys : nil) ?? rows.k.pointer
        pass.multiply(
            input, by: projectionLayers, of: self, into: attention.isFused ? [rows.q.pointer] : [queries, keys, rows.v.pointer])
        if attention.projections == .grouped { order(memory.projections, isBackward: false, positions: n, pass.engine) }
        if let headNorms {
            let queryRows = n * attention.queryWidth / headNorms.query.width, keyRows = n * attention.keyValueWidth / headNorms.key.width
            headNorms.query.forward(
                queries, rows: queryRows, statistics: memory.statistics[.queryNorm], into: rows.q.pointer, pass.engine)
            headNorms.key.forward(keys, rows: keyRows, statistics: memory.statistics[.keyNorm], into: rows.k.pointer, pass.engine)
        }
        if let limit = attention.clip {
            let hasNorms = headNorms != nil
            clip(limit, hasNorms ? rows.q.pointer : queries, n * attention.queryWidth, into: rows.q.pointer, pass.engine)
            clip(limit, hasNorms ? rows.k.pointer : keys, n * attention.keyValueWidth, into: rows.k.pointer, pass.engine)
            clip(limit, rows.v.pointer, n * attention.keyValueWidth, into: rows.v.pointer, pass.engine)
        }
        return rows
    }

    private func clip(
        _ limit: Float, _ x: UnsafePointer<Float>, _ count: Int, into y: UnsafeMutablePointer<Float>, _ engine: MatrixEngine
    ) {
        engine.pool.forTiles(of: count, size: Self.tile) { range in
            qk_clamp_at(engine.level, limit, x + range.lowerBound, range.count, y + range.lowerBound)
        }
    }

    /// Puts the parts of the groups, as one layer has made them, in the order queries, keys, values, or back.
    ///
    ///     group g of K, in heads of D    H / K queries, a key, a value      becomes      all queries, all keys, all values
    package func order(_ rows: UnsafeMutablePointer<Float>, isBackward: Bool, positions: Int, _ engine: MatrixEngine) {
        let (groups, d) = (attention.keyValueHeadCount, attention.headWidth), size = attention.headCount / groups
        let width = attention.queryWidth + 2 * attention.keyValueWidth
        engine.pool.forTiles(of: positions, size: max(1, Self.tile / width)) { range in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: width) { copy in
                guard let copy = copy.baseAddress else { return }
                for row in range {
                    let start = rows + row * width
                    copy.update(from: start, count: width)
                    func move(group: Int, head: Int, count: Int, ordered: Int) {
                        let grouped = (group * (size + 2) + head) * d
                        let (to, from) = isBackward ? (grouped, ordered) : (ordered, grouped)
                        (start + to).update(from: copy + from, count: count * d)
                    }
                    for group in 0..<groups {
                        move(group: group, head: 0, count: size, ordered: group * size * d)
                        move(group: group, head: size, count: 1, ordered: attention.queryWidth + group * d)
                        move(group: group, head: size + 1, count: 1, ordered: attention.queryWidth + attention.keyValueWidth + group * d)
                    }
                }
            }
        }
    }

    /// Turns queries and keys by the angles of their positions and multiplies queries by what their positions ask for, or with
    /// `sign` -1 does so with their gradients on the way back.
    package func turn<Pass: BlockPass>(_ rows: AttentionRows, sign: Float, _ pass: Pass) {
        let engine = pass.engine, angles = pass.rotations.angles(of: attention), temperature = attention.temperature
        guard angles != nil || temperature != nil else { return }
        engine.pool.forTiles(of: pass.positionCount, size: max(1, Self.tile / attention.queryWidth)) { range in
            let n = range.lowerBound
            if let angles {
                for (heads, count) in [(rows.q, attention.headCount), (rows.k, attention.keyValueHeadCount)] {
                    var rotation = qk_rotation(
                        heads: count, headWidth: attention.headWidth, half: angles.count,
                        neighbours: attention.rotary?.pairing == .neighbours)
                    qk_rotate_at(
                        engine.level, &rotation, heads.pointer + n * heads.stride, range.count, heads.stride,
                        angles.cosines + n * angles.count, angles.sines + n * angles.count, sign)
                }
            }
            guard let temperature else { return }
            for row in range {
                qk_scale_at(
                    engine.level, pass.rotations.factor(temperature, row: row), attention.queryWidth, rows.q.pointer + row * rows.q.stride)
            }
        }
    }

    /// `inner` from gate and up.
    package func activate(_ memory: BlockMemory, positions: Int, _ engine: MatrixEngine) {
        let kernel = feedForward.activation.kernel, width = feedForward.innerWidth
        switch feedForward.form {
        case .gated:
            engine.pool.forTiles(of: positions * width, size: Self.tile) { range in
                let i = range.lowerBound
                qk_gated_at(engine.level, kernel, memory.gate + i, memory.up + i, range.count, memory.inner + i)
            }
        case .plain:
            engine.pool.forTiles(of: positions * width, size: Self.tile) { range in
                let i = range.lowerBound
                qk_activate_at(engine.level, kernel, memory.gate + i, range.count, memory.inner + i)
            }
        case .fusedGated:
            engine.pool.forTiles(of: positions, size: max(1, Self.tile / width)) { range in
                for row in range {
                    let gate = memory.gate + 2 * row * width
                    qk_gated_at(engine.level, kernel, gate, gate + width, width, memory.inner + row * width)
                }
            }
        }
    }
}
