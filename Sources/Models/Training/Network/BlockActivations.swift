import Architectures
import Transformer

/// What the forward pass of a block keeps for its backward pass; everything else is made again.
struct BlockActivations {
    typealias Pointer = UnsafeMutablePointer<Float>

    /// Queries, keys and values as attention sees them: `AttentionRows` of [N, Q + 2 G].
    let projections: Pointer
    /// Queries and keys before their norms and clipping, [N, Q] and [N, G]; nil without such.
    let rawQueries: Pointer?
    let rawKeys: Pointer?
    /// [H, N]
    let logSums: Pointer
    /// Output of attention, [N, Q].
    let attended: Pointer
    /// After attention, before the MLP: [N, C].
    let middle: Pointer
    /// Gate and up, or the one inner layer before its activation: [N, I] each; both in `gate` [N, 2 I] where one layer makes them.
    let gate: Pointer
    let up: Pointer
    /// What the branches give before their norms, or the sums of which norms are taken, [N, C] each; nil without such norms.
    let branches: (attention: Pointer, feedForward: Pointer)?
    /// Of each norm, [2, rows].
    let statistics: [TensorRole: Pointer]
    /// u of the low-rank updates, [N, r] each.
    let updates: [Pointer]

    private static let norms: [TensorRole] = [
        .attentionNorm, .feedForwardNorm, .attentionPostNorm, .feedForwardPostNorm, .queryNorm, .keyNorm,
    ]

    static func parts(_ s: BlockShape) -> [Int] {
        let n = s.positions
        let raw = s.keepsRawHeads ? n : 0, branch = s.keepsBranches ? n : 0
        return [
            n * s.attentionWidth, raw * s.queryWidth, raw * s.keyValueWidth, n * s.headCount, n * s.queryWidth, n * s.width,
            n * s.gateWidth, n * s.upWidth, branch * s.width, branch * s.width,
            2 * n, 2 * n, 2 * branch, 2 * branch, 2 * raw * s.headCount, 2 * raw * s.keyValueHeadCount,
        ] + s.ranks.map { n * $0 }
    }

    init(_ base: Pointer, _ shape: BlockShape) {
        let parts = BlockShape.divide(base, Self.parts(shape))
        projections = parts[0]
        rawQueries = shape.keepsRawHeads ? parts[1] : nil
        rawKeys = shape.keepsRawHeads ? parts[2] : nil
        logSums = parts[3]
        attended = parts[4]
        middle = parts[5]
        gate = parts[6]
        up = parts[7]
        branches = shape.keepsBranches ? (parts[8], parts[9]) : nil
        statistics = Dictionary(uniqueKeysWithValues: zip(Self.norms, parts[10..<16]))
        updates = Array(parts[16...])
    }

    /// With memory that blocks share for what is not kept.
    func memory(_ scratch: BlockScratch) -> BlockMemory {
        BlockMemory(
            normed: scratch.normed, projections: projections, rawQueries: rawQueries, rawKeys: rawKeys, attended: attended,
            attentionBranch: branches?.attention ?? scratch.dnormed, feedForwardBranch: branches?.feedForward ?? scratch.dnormed,
            middle: middle, gate: gate, up: up, inner: scratch.inner, mixture: scratch.mixture, statistics: statistics)
    }

    func statistics(_ role: TensorRole) -> Pointer {
        guard let pointer = statistics[role] else { preconditionFailure("\(role) is a norm") }
        return pointer
    }
}
