import Architectures

/// Buffers of a forward pass over at most `rowLimit` positions at once.
final class PassBuffers {
    /// T at most.
    let rowLimit: Int
    /// [T, C]: the residual stream.
    let x: FloatBuffer
    /// [T, C].
    let normed: FloatBuffer
    /// [T, E], where that is another width.
    let embedded: FloatBuffer
    /// [T, H D + 2 K D]: queries, keys and values.
    private let projections: FloatBuffer
    /// [T, H D]: what attention gives.
    private let attended: FloatBuffer
    /// [T, C]: what a branch gives, where it is not added as it is.
    private let branch: FloatBuffer
    /// [T, I] each, or [T, 2 I] of both and [T, I] of what they become.
    private let gate: FloatBuffer
    private let up: FloatBuffer
    /// `MixtureMemory`.
    private let mixture: [FloatBuffer]
    /// [logitRowLimit, V].
    let logits: FloatBuffer
    /// Rows of logits made at once: with a vocabulary of 150,000 those of 512 positions would take 300 MB.
    let logitRowLimit: Int

    /// What all buffers together stay under, with at least one row.
    private static let byteCountTarget = 48 << 20
    private static let largestRowLimit = 512
    private static let logitByteCountTarget = 16 << 20

    /// Floats of one position in each buffer, the widest that any layer needs.
    private struct Widths {
        let model, queries, projections, branch, gate, inner: Int
        let mixture: MixtureSize

        init(_ model: ModelDescription) {
            func widest(_ width: (LayerDescription) -> Int) -> Int { model.layers.map(width).max() ?? 0 }
            self.model = model.width
            queries = widest(\.attention.queryWidth)
            projections = queries + 2 * widest(\.attention.keyValueWidth)
            branch = widest { $0.needsBranchMemory || $0.feedForward.mixture != nil ? model.width : 0 }
            gate = widest { $0.feedForward.mixture == nil ? $0.feedForward.gateWidth : 0 }
            inner = widest { $0.feedForward.mixture == nil ? $0.feedForward.innerWidth : 0 }
            mixture = MixtureSize(model)
        }

        var byteCount: Int {
            4 * (2 * model + projections + queries + branch + gate + inner)
                + 4 * MixtureMemory.counts(mixture, positions: 1).reduce(0, +)
        }
    }

    /// Positions of one pass, of any session with this model.
    static func rowLimit(of model: ModelDescription) -> Int {
        min(largestRowLimit, max(16, byteCountTarget / Widths(model).byteCount))
    }

    /// - Parameter rowLimit: at most; nil for as many as fit.
    init(_ model: ModelDescription, rowLimit limit: Int? = nil) {
        let widths = Widths(model)
        let (queryWidth, projectionWidth, branchWidth) = (widths.queries, widths.projections, widths.branch)
        let (innerWidth, gateWidth) = (widths.inner, widths.gate)
        rowLimit = min(limit ?? .max, Self.rowLimit(of: model))
        logitRowLimit = max(1, min(64, Self.logitByteCountTarget / (4 * model.vocabularySize)))
        x = FloatBuffer(count: rowLimit * model.width)
        normed = FloatBuffer(count: rowLimit * model.width)
        embedded = FloatBuffer(count: model.embeddingWidth == model.width ? 0 : rowLimit * model.embeddingWidth)
        projections = FloatBuffer(count: rowLimit * projectionWidth)
        attended = FloatBuffer(count: rowLimit * queryWidth)
        branch = FloatBuffer(count: rowLimit * branchWidth)
        gate = FloatBuffer(count: rowLimit * gateWidth)
        up = FloatBuffer(count: rowLimit * innerWidth)
        mixture = MixtureMemory.counts(widths.mixture, positions: rowLimit).map { FloatBuffer(count: $0) }
        logits = FloatBuffer(count: logitRowLimit * model.vocabularySize)
    }

    /// Nothing is kept: values take the places of those that they are made of.
    var blockMemory: BlockMemory {
        BlockMemory(
            normed: normed.start, projections: projections.start, attended: attended.start, attentionBranch: branch.start,
            feedForwardBranch: branch.start, middle: x.start, gate: gate.start, up: up.start, inner: up.start,
            mixture: MixtureMemory(mixture.map(\.start)))
    }
}
