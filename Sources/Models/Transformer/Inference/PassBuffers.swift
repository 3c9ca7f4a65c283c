/// Buffers of a forward pass over at most `rowLimit` positions at once.
final class PassBuffers {
    /// T at most.
    let rowLimit: Int
    /// [T, C]: the residual stream.
    let x: FloatBuffer
    /// [T, C].
    let normed: FloatBuffer
    /// [T, H D], or [T, 3 C] for GPT-2's query, key and value beside each other.
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

    init(_ configuration: ModelConfiguration) {
        let isFused = configuration.family == .gpt2
        let projectedWidth = isFused ? 3 * configuration.width : 0
        let rowByteCount =
            4
            * (2 * configuration.width + projectedWidth + 2 * configuration.queryWidth + 2 * configuration.keyValueWidth
                + 2 * configuration.innerWidth)
        rowLimit = min(Self.largestRowLimit, max(16, Self.byteCountTarget / rowByteCount))
        logitRowLimit = max(1, min(64, Self.logitByteCountTarget / (4 * configuration.vocabularySize)))
        x = FloatBuffer(count: rowLimit * configuration.width)
        normed = FloatBuffer(count: rowLimit * configuration.width)
        projected = FloatBuffer(count: rowLimit * projectedWidth)
        queries = FloatBuffer(count: rowLimit * configuration.queryWidth)
        attended = FloatBuffer(count: rowLimit * configuration.queryWidth)
        keys = FloatBuffer(count: rowLimit * configuration.keyValueWidth)
        values = FloatBuffer(count: rowLimit * configuration.keyValueWidth)
        gate = FloatBuffer(count: rowLimit * configuration.innerWidth)
        up = FloatBuffer(count: rowLimit * configuration.innerWidth)
        logits = FloatBuffer(count: logitRowLimit * configuration.vocabularySize)
    }
}
