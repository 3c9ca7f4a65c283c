package import Architectures
import CKernels

/// One sequence being read and continued: weights, a cache of keys and values, and the buffers of a pass.
///
///     let session = InferenceSession(configuration, weights, engine: engine, contextLength: 512)
///     var logits = try session.append(prompt)            // of the last position
///     while ... { logits = try session.append([next]) }
///
/// Runs on the threads of the engine's pool; the same bits come out for any number of them. Not for two threads at once.
package final class InferenceSession {
    package private(set) var configuration: ModelDescription
    /// May be exchanged between two calls for weights with other adapters: the cache keeps what the earlier ones made of the
    /// positions so far, so `reset` goes with it unless that is meant.
    package var weights: ModelWeights {
        didSet {
            (blocks, finalNorm) = Self.layers(configuration, weights)
            embeddingNorm = Self.embeddingNorm(configuration, weights)
            guard weights.head.matrix.outputCount != configuration.vocabularySize else { return }
            configuration = configuration.fitted(vocabularySize: weights.head.matrix.outputCount)
            buffers = PassBuffers(configuration, rowLimit: passLength)
        }
    }
    package let cache: KeyValueCache
    package let engine: MatrixEngine
    /// Of the products; attention and everything else is in float32.
    package let precision: MatrixEngine.Precision
    private(set) var buffers: PassBuffers
    /// Positions that are computed together at most; nil for as many as is good.
    private let passLength: Int?
    private(set) var blocks: [TransformerBlock<LinearLayer>]
    private var finalNorm: NormLayer
    private var embeddingNorm: NormLayer?
    /// Tokens of the positions so far.
    private var ids: [Int32] = []
    /// Positions of the sequence for which the keys in the cache were turned.
    private(set) var turnedLength = 0
    /// Rotations whose frequencies depend on the length of a pass.
    let stagedRotaries: [RotaryEmbedding]
    /// Told of hidden states [T, C]: those of the embedding (0), after each layer (1...), as tests compare them.
    package var observer: ((_ index: Int, _ states: [Float]) -> Void)?

    /// - Parameters:
    ///   - contextLength: positions at most; of a model with learned positions not more than it has.
    ///   - precision: of products with 4-bit and 8-bit weights.
    ///   - cacheType: how keys and values are kept; F32 for exact results.
    ///   - passLength: positions that are computed together at most; nil for as many as is good.
    package init(
        _ configuration: ModelDescription, _ weights: ModelWeights, engine: MatrixEngine, contextLength: Int,
        precision: MatrixEngine.Precision = .exact, cacheType: CacheType = .f32, passLength: Int? = nil
    ) {
        precondition(weights.positions == nil || contextLength <= configuration.contextLength, "there are no more learned positions")
        self.configuration = configuration.fitted(vocabularySize: weights.head.matrix.outputCount)
        self.weights = weights
        self.engine = engine
        self.precision = precision
        self.passLength = passLength
        let buffers = PassBuffers(self.configuration, rowLimit: passLength)
        cache = KeyValueCache(configuration, capacity: contextLength, type: cacheType, passLength: buffers.rowLimit)
        self.buffers = buffers
        (blocks, finalNorm) = Self.layers(self.configuration, weights)
        embeddingNorm = Self.embeddingNorm(self.configuration, weights)
        stagedRotaries = Array(Set(configuration.layers.compactMap(\.attention.rotary).filter(\.hasStages)))
    }

    /// Positions that the sequence has.
    package var count: Int { ids.count }

    /// Begins another sequence.
    package func reset() { truncate(to: 0) }

    /// Forgets the positions from `count` on.
    ///
    /// Where a layer that slides has lost what the next position looks at, those before are read again with it.
    package func truncate(to count: Int) {
        ids.removeSubrange(count...)
        if cache.count > count { _ = cache.truncate(to: count) }
    }

    /// Appends tokens and gives the logits [V] of the last one.
    ///
    /// - Throws: for ids that the model does not know, and more tokens than the context has room for.
    package func append(_ ids: [Int32]) throws -> [Float] {
        var last: [Float] = []
        try run(ids, logitsFrom: ids.count - 1, isInterrupted: { false }) { _, rows in last = Array(rows) }
        return last
    }

    /// Appends tokens and gives the logits [V] of the last one, or nil where it was interrupted: reading a long prompt takes a while.
    /// `count` tells how many of the tokens the sequence has then: fewer than before, where it had to be read again.
    ///
    /// - Parameter isInterrupted: asked before each layer.
    package func append(_ ids: [Int32], isInterrupted: () -> Bool) throws -> [Float]? {
        var last: [Float]?
        try run(ids, logitsFrom: ids.count - 1, isInterrupted: isInterrupted) { _, rows in last = Array(rows) }
        return last
    }

    /// Appends tokens and hands out logits of all of them, some rows at a time.
    ///
    /// - Parameters:
    ///   - unread: tokens that end the text and are not run, as they predict nothing; angles may depend on the length of the text.
    ///   - body: is given the index in `ids` of the first row, and rows [n, V], which are valid during the call.
    package func append(
        _ ids: [Int32], unread: Int = 0, eachLogits body: (_ first: Int, _ rows: UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        try run(ids, unread: unread, logitsFrom: 0, isInterrupted: { false }, body)
    }

    private func run(
        _ ids: [Int32], unread: Int = 0, logitsFrom firstLogits: Int, isInterrupted: () -> Bool,
        _ body: (Int, UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        try check(ids)
        let earlier = count, length = count + ids.count + unread
        // What was turned by other angles is of no use, and neither is what came of it.
        let isTurned = stagedRotaries.allSatisfy { $0.stage(ofLength: turnedLength) == $0.stage(ofLength: length) }
        turnedLength = length
        if earlier == 0 || cache.count == earlier && isTurned {
            return try pass(ids, logitsFrom: firstLogits, isInterrupted: isInterrupted, body)
        }
        let all = self.ids + ids
        reset()
        try pass(all, logitsFrom: earlier + firstLogits, isInterrupted: isInterrupted) { try body($0 - earlier, $1) }
    }

    /// Runs tokens behind those of the cache, turned as in a sequence of `turnedLength`.
    private func pass(
        _ ids: [Int32], logitsFrom firstLogits: Int, isInterrupted: () -> Bool, _ body: (Int, UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        let length = turnedLength
        precondition(cache.count == count, "the cache holds the sequence")
        var start = 0
        while start < ids.count {
            let rowCount = min(buffers.rowLimit, ids.count - start)
            embed(ids[start..<start + rowCount])
            observe(0, rowCount)
            let rotations = Rotations(of: configuration, places: (count..<count + rowCount).map { .init(position: $0, length: length) })
            let memory = buffers.blockMemory
            for (layer, block) in blocks.enumerated() {
                if isInterrupted() { return }
                let pass = InferencePass(
                    engine: engine, precision: precision, cache: cache, layer: layer, positionCount: rowCount, rotations: rotations)
                block.forward(memory.middle, into: memory.middle, memory, pass)
                observe(layer + 1, rowCount)
            }
            cache.advance(by: rowCount)
            self.ids += ids[start..<start + rowCount]
            try giveLogits(from: max(0, firstLogits - start), to: rowCount, offset: start, body)
            start += rowCount
        }
    }

    private func check(_ ids: [Int32]) throws(ModelError) {
        guard !ids.isEmpty else { throw ModelError("there are no tokens to run") }
        if let index = ids.firstIndex(where: { $0 < 0 || Int($0) >= configuration.vocabularySize }) {
            throw ModelError(
                "token \(index + 1) of \(ids.count) has id \(ids[index]), but ids of this model go from 0 to "
                    + "\(configuration.vocabularySize - 1)")
        }
        guard ids.count <= cache.capacity - count else {
            throw ModelError(
                "\(count + ids.count) tokens do not fit into the context of \(cache.capacity)",
                hint: "`contextLength` sets up more, as far as the model goes")
        }
    }

    /// An error about logits that are no numbers, with the step that helps: the keys and values may have overflowed.
    package func explained(_ error: ModelError) -> ModelError {
        let overflow = "keys or values are larger than F16 can hold: `exact` keeps them in F32"
        return ModelError(error.message, hint: cache.holdsInfinity ? overflow : ModelError.damageHint)
    }

    // MARK: - Parts of a pass

    private static func layers(
        _ model: ModelDescription, _ weights: ModelWeights
    ) -> (blocks: [TransformerBlock<LinearLayer>], finalNorm: NormLayer) {
        let blocks = zip(model.layers, weights.layers).map { layer, weights in
            TransformerBlock(layer) { role in
                let (width, rows, norm) = layer.norm(role, width: model.width)
                return Self.norm(weights[norm: role], norm, width: width, rows: rows)
            } linear: {
                weights[linear: $0]
            } expert: {
                weights.experts[$1][linear: $0]
            } sinks: {
                VectorParameter(weights.sinks)
            }
        }
        return (blocks, norm(weights.finalNorm, model.finalNorm, width: model.width))
    }

    private static func embeddingNorm(_ model: ModelDescription, _ weights: ModelWeights) -> NormLayer? {
        guard let norm = model.embeddingNorm, let stored = weights.embeddingNorm else { return nil }
        return self.norm(stored, norm, width: model.width)
    }

    private static func norm(_ weights: NormWeights, _ norm: Norm, width: Int, rows: Int = 1) -> NormLayer {
        NormLayer(
            norm, width: width, period: rows, weight: VectorParameter(weights.weight), bias: weights.bias.map { VectorParameter($0) })
    }

    func embed(_ ids: ArraySlice<Int32>) {
        let width = configuration.width, embedded = configuration.embeddingWidth
        let x = buffers.x.first(ids.count * width)
        let rows = weights.inputProjection == nil ? x : buffers.embedded.first(ids.count * embedded)
        for (row, id) in ids.enumerated() {
            let states = UnsafeMutableBufferPointer(rebasing: rows[row * embedded..<(row + 1) * embedded])
            weights.embedding.read(Int(id), into: states)
            if configuration.embeddingScale != 1 { qk_scale_at(engine.level, configuration.embeddingScale, embedded, states.baseAddress) }
        }
        if let projection = weights.inputProjection {
            engine.apply(projection, to: UnsafeBufferPointer(rows), rowCount: ids.count, precision: precision, into: x)
        }
        addPositions(ids.count, to: x)
        embeddingNorm?.forward(buffers.x.start, rows: ids.count, into: buffers.x.start, engine)
    }

    private func addPositions(_ rowCount: Int, to x: UnsafeMutableBufferPointer<Float>) {
        guard let positions = weights.positions else { return }
        let width = configuration.width, position = buffers.normed.first(width)
        for row in 0..<rowCount {
            positions.read(count + row + configuration.positionOffset, into: position)
            for index in 0..<width { x[row * width + index] += position[index] }
        }
    }

    private func giveLogits(
        from first: Int, to rowCount: Int, offset: Int, _ body: (Int, UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        guard first < rowCount else { return }
        let width = configuration.width
        finalNorm.forward(buffers.x.start + first * width, rows: rowCount - first, into: buffers.normed.start + first * width, engine)
        for start in stride(from: first, to: rowCount, by: buffers.logitRowLimit) {
            let count = min(buffers.logitRowLimit, rowCount - start)
            let states = headInput(start, count)
            let logits = buffers.logits.first(count * configuration.vocabularySize)
            engine.apply(weights.head, to: states, rowCount: count, precision: precision, into: logits)
            replaceHeadRows(states, rowCount: count, logits)
            if configuration.head.scale != 1 { scale(configuration.head.scale, logits) }
            if let cap = configuration.head.cap { self.cap(cap, logits) }
            try body(offset + start, UnsafeBufferPointer(logits))
        }
    }

    /// Rows of `normed` as the head takes them, [count, E].
    private func headInput(_ start: Int, _ count: Int) -> UnsafeBufferPointer<Float> {
        let width = configuration.width, rows = buffers.normed.first((start + count) * width)[(start * width)...]
        let states = UnsafeBufferPointer(rebasing: rows)
        guard let projection = weights.outputProjection else { return states }
        let projected = buffers.embedded.first(count * configuration.embeddingWidth)
        engine.apply(projection, to: states, rowCount: count, precision: precision, into: projected)
        return UnsafeBufferPointer(projected)
    }

    private func scale(_ factor: Float, _ logits: UnsafeMutableBufferPointer<Float>) {
        guard let start = logits.baseAddress else { return }
        engine.pool.forTiles(of: logits.count, size: 1 << 14) { range in
            qk_scale_at(engine.level, factor, range.count, start + range.lowerBound)
        }
    }

    private func cap(_ limit: Float, _ logits: UnsafeMutableBufferPointer<Float>) {
        guard let start = logits.baseAddress else { return }
        engine.pool.forTiles(of: logits.count, size: 1 << 14) { range in
            qk_cap_at(engine.level, limit, range.count, start + range.lowerBound)
        }
    }

    /// Logits of tokens whose row of the head an adapter replaces.
    private func replaceHeadRows(
        _ states: UnsafeBufferPointer<Float>, rowCount: Int, _ logits: UnsafeMutableBufferPointer<Float>
    ) {
        let width = configuration.embeddingWidth
        for (id, replacement) in weights.replacedHeadRows {
            for row in 0..<rowCount {
                var sum = weights.head.bias.map { Double($0[id]) } ?? 0
                for index in 0..<width { sum += Double(states[row * width + index]) * Double(replacement[index]) }
                logits[row * configuration.vocabularySize + id] = Float(sum)
            }
        }
    }

    private func observe(_ index: Int, _ rowCount: Int) {
        guard let observer else { return }
        observer(index, Array(buffers.x.first(rowCount * configuration.width)))
    }
}
