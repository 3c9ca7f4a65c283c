import Architectures

/// Buffers of a forward pass over at most `rowLimit` positions at once.
final class PassBuffers {
    /// T at most.
    let rowLimit: Int
    /// [T, C]: the residual stream.
    let x: FloatBuffer
    /// [T, C].
    let normed: FloatBuffer
    /// [T, H D + 2 K D], where query, key and value lie beside each other.
    let projected: FloatBuffer
    /// [T, H D]; what attention takes and gives.
    let queries: FloatBuffer
    let attended: FloatBuffer
    /// [T, K D].
    let keys: FloatBuffer
    let values: FloatBuffer
    /// [T, I].
    let gate: FloatBuffer
    let up: FloatBuffer
    /// [logitRowLimit, V].
    let logits: FloatBuffer
    /// Rows of logits made at once: with a vocabulary of 150,000 those of 512 positions would take 300 MB.
    let logitRowLimit: Int

    /// What all buffers together stay under, with at least one row.
    private static let byteCountTarget = 48 << 20
    private static let largestRowLimit = 512
    private static let logitByteCountTarget = 16 << 20

    init(_ model: ModelDescription) {
        func widest(_ width: (LayerDescription) -> Int) -> Int { model.layers.map(width).max() ?? 0 }
        let queryWidth = widest(\.attention.queryWidth), keyValueWidth = widest(\.attention.keyValueWidth)
        let projectedWidth = widest { $0.attention.projections == .fused ? $0.attention.queryWidth + 2 * $0.attention.keyValueWidth : 0 }
        let innerWidth = widest(\.feedForward.innerWidth)
        let rowByteCount = 4 * (2 * model.width + projectedWidth + 2 * queryWidth + 2 * keyValueWidth + 2 * innerWidth)
        rowLimit = min(Self.largestRowLimit, max(16, Self.byteCountTarget / rowByteCount))
        logitRowLimit = max(1, min(64, Self.logitByteCountTarget / (4 * model.vocabularySize)))
        x = FloatBuffer(count: rowLimit * model.width)
        normed = FloatBuffer(count: rowLimit * model.width)
        projected = FloatBuffer(count: rowLimit * projectedWidth)
        queries = FloatBuffer(count: rowLimit * queryWidth)
        attended = FloatBuffer(count: rowLimit * queryWidth)
        keys = FloatBuffer(count: rowLimit * keyValueWidth)
        values = FloatBuffer(count: rowLimit * keyValueWidth)
        gate = FloatBuffer(count: rowLimit * innerWidth)
        up = FloatBuffer(count: rowLimit * innerWidth)
        logits = FloatBuffer(count: logitRowLimit * model.vocabularySize)
    }
}
