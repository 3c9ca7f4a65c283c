import Architectures

/// A pass of a session through one layer: products in the session's precision, attention to its cache.
struct InferencePass: BlockPass {
    let engine: MatrixEngine
    let precision: MatrixEngine.Precision
    let cache: KeyValueCache
    let layer: Int
    let positionCount: Int
    let rotations: Rotations
    /// Told of every x [rowCount, in] before it is multiplied, and of the layers that take it.
    var observer: InferenceSession.InputObserver?

    func multiply(
        _ x: UnsafePointer<Float>, by layers: Range<Int>, of block: TransformerBlock<LinearLayer>,
        into results: [UnsafeMutablePointer<Float>]
    ) {
        observer?(.init(layers: layers), x, positionCount)
        let layers = Array(block.linearLayers[layers])
        engine.apply(
            layers, to: input(x, of: layers[0]), rowCount: positionCount, precision: precision,
            into: zip(layers, results).map { output($1, of: $0) })
    }

    func add(_ x: UnsafePointer<Float>, by layer: Int, of block: TransformerBlock<LinearLayer>, to y: UnsafeMutablePointer<Float>) {
        observer?(.init(layers: layer..<layer + 1), x, positionCount)
        let layer = block.linearLayers[layer]
        engine.apply(
            layer, to: input(x, of: layer), rowCount: positionCount, precision: precision, adds: true, into: output(y, of: layer))
    }

    func multiply(
        _ x: UnsafePointer<Float>, rows: Int, by layers: Range<Int>, ofExpert expert: Int, of block: TransformerBlock<LinearLayer>,
        into results: [UnsafeMutablePointer<Float>]
    ) {
        observer?(.init(expert: expert, layers: layers), x, rows)
        let layers = Array(block.experts[expert][layers])
        engine.apply(
            layers, to: UnsafeBufferPointer(start: x, count: rows * layers[0].matrix.inputCount), rowCount: rows, precision: precision,
            into: zip(layers, results).map { UnsafeMutableBufferPointer(start: $1, count: rows * $0.matrix.outputCount) })
    }

    func score(
        _ x: UnsafePointer<Float>, by layer: Int, of block: TransformerBlock<LinearLayer>, into scores: UnsafeMutablePointer<Float>
    ) {
        let layer = block.linearLayers[layer]
        engine.score(layer, of: input(x, of: layer), rowCount: positionCount, into: output(scores, of: layer))
    }

    func keepsProduct(with layer: LinearLayer) -> Bool { false }

    /// Keys and values go to the cache first.
    func attend(_ attention: Attention, _ rows: AttentionRows, sinks: VectorParameter?, into attended: UnsafeMutablePointer<Float>) {
        cache.store(keys: rows.k.pointer, values: rows.v.pointer, stride: rows.k.stride, positions: positionCount, layer: layer)
        let queryCount = (positionCount - 1) * rows.q.stride + attention.queryWidth
        engine.attend(
            UnsafeBufferPointer(start: rows.q.pointer, count: queryCount), queryCount: positionCount, firstPosition: cache.count,
            headCount: attention.headCount, scale: attention.scale, cap: attention.scoreCap, bias: attention.positionBias,
            sinks: sinks?.values,
            queryStride: rows.q.stride, cache: cache.view(layer: layer, attention),
            into: UnsafeMutableBufferPointer(start: attended, count: positionCount * attention.queryWidth))
    }

    private func input(_ x: UnsafePointer<Float>, of layer: LinearLayer) -> UnsafeBufferPointer<Float> {
        UnsafeBufferPointer(start: x, count: positionCount * layer.matrix.inputCount)
    }

    private func output(_ y: UnsafeMutablePointer<Float>, of layer: LinearLayer) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: y, count: positionCount * layer.matrix.outputCount)
    }
}
