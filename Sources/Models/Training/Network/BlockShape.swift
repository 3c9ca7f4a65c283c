import Architectures
import Transformer

/// Sizes of the memory that blocks work in: planned once for the largest batch, in floats.
///
///     N  positions      C  width      Q = H D      G = K D      I  inner width      r  ranks
struct BlockShape {
    let positions: Int
    let width: Int
    private(set) var queryWidth: Int
    private(set) var keyValueWidth: Int
    private(set) var innerWidth: Int
    private(set) var headCount: Int
    private(set) var keyValueHeadCount: Int
    /// Of what the activation looks at: gates, or the one inner layer, or gates and ups of one layer; and of ups of their own.
    private(set) var gateWidth: Int
    private(set) var upWidth: Int
    /// Whether queries and keys are kept as they were before norms or clipping.
    private(set) var keepsRawHeads: Bool
    /// Whether what branches give, or the sums with it, is kept.
    private(set) var keepsBranches: Bool
    /// Whether gradients of branches differ from those of sums.
    private(set) var needsBranchGradient: Bool
    /// Of the block's linear layers, in order; 0 for those that are not tuned.
    private(set) var ranks: [Int]
    /// The highest of experts' layers.
    private(set) var expertRank: Int
    private(set) var mixture: MixtureSize

    init(_ block: TransformerBlock<TunableLinear>, positions: Int) {
        let attention = block.attention
        self.positions = positions
        width = block.width
        queryWidth = attention.queryWidth
        keyValueWidth = attention.keyValueWidth
        // Nothing is kept of experts.
        innerWidth = block.feedForward.mixture == nil ? block.feedForward.innerWidth : 0
        headCount = attention.headCount
        keyValueHeadCount = attention.keyValueHeadCount
        gateWidth = block.feedForward.gateWidth
        upWidth = block.feedForward.form == .gated ? block.feedForward.innerWidth : 0
        keepsRawHeads = attention.headNorm != nil || attention.clip != nil
        keepsBranches = block.attentionPostNorm != nil || block.wiring == .normedSum
        needsBranchGradient = keepsBranches || block.branchFactor != 1
        ranks = block.linearLayers.map(\.rank)
        expertRank = block.experts.joined().map(\.rank).max() ?? 0
        mixture = MixtureSize(block.feedForward, width: block.width)
    }

    var attentionWidth: Int { queryWidth + 2 * keyValueWidth }

    /// Of a block with room for this one and another: they may differ in anything.
    func united(with other: BlockShape) -> BlockShape {
        var shape = self
        shape.queryWidth = max(queryWidth, other.queryWidth)
        shape.keyValueWidth = max(keyValueWidth, other.keyValueWidth)
        shape.innerWidth = max(innerWidth, other.innerWidth)
        shape.headCount = max(headCount, other.headCount)
        shape.keyValueHeadCount = max(keyValueHeadCount, other.keyValueHeadCount)
        shape.gateWidth = max(gateWidth, other.gateWidth)
        shape.upWidth = max(upWidth, other.upWidth)
        shape.keepsRawHeads = keepsRawHeads || other.keepsRawHeads
        shape.keepsBranches = keepsBranches || other.keepsBranches
        shape.needsBranchGradient = needsBranchGradient || other.needsBranchGradient
        shape.expertRank = max(expertRank, other.expertRank)
        shape.mixture = mixture.united(with: other.mixture)
        shape.ranks = (0..<max(ranks.count, other.ranks.count)).map { index in
            max(index < ranks.count ? ranks[index] : 0, index < other.ranks.count ? other.ranks[index] : 0)
        }
        return shape
    }

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
