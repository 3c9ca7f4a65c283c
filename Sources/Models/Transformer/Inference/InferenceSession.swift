package import Architectures
import CKernels
package import TensorCore

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
            guard weights.head.matrix.outputCount != configuration.vocabularySize else { return }
            configuration = configuration.fitted(vocabularySize: weights.head.matrix.outputCount)
            buffers = PassBuffers(configuration)
        }
    }
    package let cache: KeyValueCache
    package let engine: MatrixEngine
    /// Of the products; attention and everything else is in float32.
    package let precision: MatrixEngine.Precision
    private(set) var buffers: PassBuffers
    private(set) var blocks: [TransformerBlock<LinearLayer>]
    private var finalNorm: NormLayer
    /// Told of hidden states [T, C]: those of the embedding (0), after each layer (1...), as tests compare them.
    package var observer: ((_ index: Int, _ states: [Float]) -> Void)?

    /// - Parameters:
    ///   - contextLength: positions at most; of a model with learned positions not more than it has.
    ///   - precision: `fast` computes with 4-bit and 8-bit weights in integers.
    ///   - cacheType: F16, or F32 for exact results.
    package init(
        _ configuration: ModelDescription, _ weights: ModelWeights, engine: MatrixEngine, contextLength: Int,
        precision: MatrixEngine.Precision = .exact, cacheType: ScalarType = .f32
    ) {
        precondition(weights.positions == nil || contextLength <= configuration.contextLength, "there are no more learned positions")
        self.configuration = configuration.fitted(vocabularySize: weights.head.matrix.outputCount)
        self.weights = weights
        self.engine = engine
        self.precision = precision
        cache = KeyValueCache(configuration, capacity: contextLength, scalarType: cacheType)
        buffers = PassBuffers(self.configuration)
        (blocks, finalNorm) = Self.layers(self.configuration, weights)
    }

    /// Positions that the sequence has.
    package var count: Int { cache.count }

    /// Begins another sequence.
    package func reset() { cache.truncate(to: 0) }

    /// Forgets the positions from `count` on.
    package func truncate(to count: Int) { cache.truncate(to: count) }

    /// Appends tokens and gives the logits [V] of the last one.
    ///
    /// - Throws: for ids that the model does not know, and more tokens than the context has room for.
    package func append(_ ids: [Int32]) throws -> [Float] {
        var last: [Float] = []
        try run(ids, logitsFrom: ids.count - 1, isInterrupted: { false }) { _, rows in last = Array(rows) }
        return last
    }

    /// Appends tokens and gives the logits [V] of the last one, or nil where it was interrupted: reading a long prompt takes a while.
    /// `count` tells how many of the tokens the sequence has then.
    ///
    /// - Parameter isInterrupted: asked before each layer.
    package func append(_ ids: [Int32], isInterrupted: () -> Bool) throws -> [Float]? {
        var last: [Float]?
        try run(ids, logitsFrom: ids.count - 1, isInterrupted: isInterrupted) { _, rows in last = Array(rows) }
        return last
    }

    /// Appends tokens and hands out logits of all of them, some rows at a time.
    ///
    /// - Parameter body: is given the index in `ids` of the first row, and rows [n, V], which are valid during the call.
    package func append(
        _ ids: [Int32], eachLogits body: (_ first: Int, _ rows: UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        try run(ids, logitsFrom: 0, isInterrupted: { false }, body)
    }

    private func run(
        _ ids: [Int32], logitsFrom firstLogits: Int, isInterrupted: () -> Bool, _ body: (Int, UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        try check(ids)
        var start = 0
        while start < ids.count {
            let rowCount = min(buffers.rowLimit, ids.count - start)
            embed(ids[start..<start + rowCount])
            observe(0, rowCount)
            let rotations = Rotations(of: configuration, positions: Array(count..<count + rowCount))
            let memory = buffers.blockMemory
            for (layer, block) in blocks.enumerated() {
                if isInterrupted() { return }
                let pass = InferencePass(
                    engine: engine, precision: precision, cache: cache, layer: layer, positionCount: rowCount, rotations: rotations)
                block.forward(memory.middle, into: memory.middle, memory, pass)
                observe(layer + 1, rowCount)
            }
            cache.advance(by: rowCount)
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
        func norm(_ weights: NormWeights, _ norm: Norm) -> NormLayer {
            NormLayer(
                norm, width: weights.weight.count, weight: VectorParameter(weights.weight), bias: weights.bias.map { VectorParameter($0) })
        }
        let blocks = zip(model.layers, weights.layers).map { layer, weights in
            TransformerBlock(layer) {
                norm(weights[norm: $0], layer.norm($0, width: model.width).norm)
            } linear: {
                weights[linear: $0]
            }
        }
        return (blocks, norm(weights.finalNorm, model.finalNorm))
    }

    func embed(_ ids: ArraySlice<Int32>) {
        let width = configuration.width
        let scale = configuration.embeddingScale
        let x = buffers.x.first(ids.count * width)
        let position = buffers.normed.first(width)
        for (row, id) in ids.enumerated() {
            let states = UnsafeMutableBufferPointer(rebasing: x[row * width..<(row + 1) * width])
            weights.embedding.read(Int(id), into: states)
            if scale != 1 { qk_scale_at(engine.level, scale, width, states.baseAddress) }
            guard let positions = weights.positions else { continue }
            positions.read(count + row, into: position)
            for index in 0..<width { states[index] += position[index] }
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
            let states = buffers.normed.first((start + count) * width)[(start * width)...]
            let logits = buffers.logits.first(count * configuration.vocabularySize)
            engine.apply(weights.head, to: UnsafeBufferPointer(rebasing: states), rowCount: count, precision: precision, into: logits)
            replaceHeadRows(UnsafeBufferPointer(rebasing: states), rowCount: count, logits)
            if let cap = configuration.head.cap { self.cap(cap, logits) }
            try body(offset + start, UnsafeBufferPointer(logits))
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
        let width = configuration.width
        for (id, replacement) in weights.replacedHeadRows {
            for row in 0..<rowCount {
                var sum = 0.0
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
