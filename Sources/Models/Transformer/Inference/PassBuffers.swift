import Architectures

/// Buffers of a forward pass over at most `rowLimit` positions at once.
final class PassBuffers {
    /// T at most.
    let rowLimit: Int
    /// [T, C]: the residual stream.
    let x: FloatBuffer
    /// [T, C].
    let normed: FloatBuffer
    /// [T, H D + 2 K D]: queries, keys and values.
    private let projections: FloatBuffer
    /// [T, H D]: what attention gives.
    private let attended: FloatBuffer
    /// [T, C]: what a branch gives, where a norm follows it.
    private let branch: FloatBuffer
    /// [T, I].
    private let gate: FloatBuffer
    private let up: FloatBuffer
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
        let queryWidth = widest(\.attention.queryWidth), projectionWidth = queryWidth + 2 * widest(\.attention.keyValueWidth)
        let branchWidth = widest { $0.normPlacement == .around ? model.width : 0 }
        let innerWidth = widest(\.feedForward.innerWidth)
        let rowByteCount = 4 * (2 * model.width + projectionWidth + queryWidth + branchWidth + 2 * innerWidth)
        rowLimit = min(Self.largestRowLimit, max(16, Self.byteCountTarget / rowByteCount))
        logitRowLimit = max(1, min(64, Self.logitByteCountTarget / (4 * model.vocabularySize)))
        x = FloatBuffer(count: rowLimit * model.width)
        normed = FloatBuffer(count: rowLimit * model.width)
        projections = FloatBuffer(count: rowLimit * projectionWidth)
        attended = FloatBuffer(count: rowLimit * queryWidth)
        branch = FloatBuffer(count: rowLimit * branchWidth)
        gate = FloatBuffer(count: rowLimit * innerWidth)
        up = FloatBuffer(count: rowLimit * innerWidth)
        logits = FloatBuffer(count: logitRowLimit * model.vocabularySize)
    }

    /// Nothing is kept: values take the places of those that they are made of.
    var blockMemory: BlockMemory {
        BlockMemory(
            normed: normed.start, projections: projections.start, attended: attended.start, attentionBranch: branch.start,
            feedForwardBranch: branch.start, middle: x.start, gate: gate.start, up: up.start, inner: gate.start)
    }
}
