/// What the forward pass of a block keeps for its backward pass; everything else is made again.
struct BlockActivations {
    typealias Pointer = UnsafeMutablePointer<Float>

    /// Of both norms, [2, N] each.
    let attentionStatistics: Pointer
    let mlpStatistics: Pointer
    /// Queries, keys and values as attention sees them: one [N, Q + 2 G] of a fused layer, or [N, Q], [N, G], [N, G].
    let projections: Pointer
    /// Queries and keys before their norms, [N, Q] and [N, G], and the norms' statistics; only with such norms.
    let rawQueries: Pointer
    let rawKeys: Pointer
    let queryStatistics: Pointer
    let keyStatistics: Pointer
    /// [H, N]
    let logSums: Pointer
    /// Output of attention, [N, Q].
    let attended: Pointer
    /// After attention, before the MLP: [N, C].
    let middle: Pointer
    /// Gate and up, or the one inner layer before its activation: [N, I] each.
    let gate: Pointer
    let up: Pointer
    /// u of the low-rank updates, [N, r] each.
    let updates: [Pointer]

    static func parts(_ s: BlockShape) -> [Int] {
        let n = s.positions
        let raw = s.hasQueryKeyNorm ? n : 0
        return [
            2 * n, 2 * n, n * s.attentionWidth, raw * s.queryWidth, raw * s.keyValueWidth, 2 * raw * s.queryWidth,
            2 * raw * s.keyValueWidth, n * s.headCount, n * s.queryWidth, n * s.width, n * s.innerWidth,
            s.isGated ? n * s.innerWidth : 0,
        ] + s.ranks.map { n * $0 }
    }

    init(_ base: Pointer, _ shape: BlockShape) {
        let parts = BlockShape.divide(base, Self.parts(shape))
        attentionStatistics = parts[0]
        mlpStatistics = parts[1]
        projections = parts[2]
        rawQueries = parts[3]
        rawKeys = parts[4]
        queryStatistics = parts[5]
        keyStatistics = parts[6]
        logSums = parts[7]
        attended = parts[8]
        middle = parts[9]
        gate = parts[10]
        up = parts[11]
        updates = Array(parts[12...])
    }
}
