import Architectures

/// Sizes of the memory that blocks work in: planned once for the largest batch, in floats.
///
///     N  positions      C  width      Q = H D      G = K D      I  inner width      r  ranks
struct BlockShape {
    let positions: Int
    let width: Int
    let queryWidth: Int
    let keyValueWidth: Int
    let innerWidth: Int
    let headCount: Int
    let isGated: Bool
    let hasQueryKeyNorm: Bool
    /// Of the block's linear layers, in order; 0 for those that are not tuned.
    let ranks: [Int]

    /// - Parameter ranks: as many as the widest layer has linear ones.
    init(_ model: ModelDescription, positions: Int, ranks: [Int]) {
        func widest(_ width: (LayerDescription) -> Int) -> Int { model.layers.map(width).max() ?? 0 }
        self.positions = positions
        width = model.width
        queryWidth = widest(\.attention.queryWidth)
        keyValueWidth = widest(\.attention.keyValueWidth)
        innerWidth = widest(\.feedForward.innerWidth)
        headCount = widest(\.attention.headCount)
        isGated = model.layers.contains { $0.feedForward.form == .gated }
        hasQueryKeyNorm = model.layers.contains { $0.attention.headNorm != nil }
        self.ranks = ranks
    }

    var attentionWidth: Int { queryWidth + 2 * keyValueWidth }

    /// Floats that a block keeps of its forward pass.
    var activationCount: Int { BlockActivations.parts(self).reduce(0) { $0 + Self.aligned($1) } }

    /// Floats that blocks share.
    var scratchCount: Int { BlockScratch.parts(self).reduce(0) { $0 + Self.aligned($1) } }

    static func aligned(_ count: Int) -> Int { (count + 15) / 16 * 16 }

    /// Pointers to consecutive parts of such counts.
    static func divide(_ base: UnsafeMutablePointer<Float>, _ counts: [Int]) -> [UnsafeMutablePointer<Float>] {
        var next = base
        return counts.map { count in
            defer { next += aligned(count) }
            return next
        }
    }
}
