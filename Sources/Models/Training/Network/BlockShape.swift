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
    private(set) var isGated: Bool
    private(set) var hasHeadNorms: Bool
    private(set) var hasPostNorms: Bool
    /// Of the block's linear layers, in order; 0 for those that are not tuned.
    private(set) var ranks: [Int]

    init(_ block: TransformerBlock<TunableLinear>, positions: Int) {
        let attention = block.attention
        self.positions = positions
        width = block.width
        queryWidth = attention.queryWidth
        keyValueWidth = attention.keyValueWidth
        innerWidth = block.feedForward.innerWidth
        headCount = attention.headCount
        keyValueHeadCount = attention.keyValueHeadCount
        isGated = block.feedForward.form == .gated
        hasHeadNorms = attention.headNorm != nil
        hasPostNorms = block.attentionPostNorm != nil
        ranks = block.linearLayers.map(\.rank)
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
        shape.isGated = isGated || other.isGated
        shape.hasHeadNorms = hasHeadNorms || other.hasHeadNorms
        shape.hasPostNorms = hasPostNorms || other.hasPostNorms
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
