package import Architectures

/// What the forward pass of a block leaves to those who run it: products with weights, and what is attended to.
package protocol BlockPass {
    associatedtype Linear

    var engine: MatrixEngine { get }
    /// N.
    var positionCount: Int { get }
    var rotations: Rotations { get }

    /// Products of one x [N, in] with some of the block's linear layers, biases and all.
    func multiply(
        _ x: UnsafePointer<Float>, by layers: Range<Int>, of block: TransformerBlock<Linear>, into results: [UnsafeMutablePointer<Float>])

    /// The product with one of them, added to y.
    func add(
        _ x: UnsafePointer<Float>, by layer: Int, of block: TransformerBlock<Linear>, to y: UnsafeMutablePointer<Float>)

    /// Products of the rows x [rows, in] that ask an expert with some of its layers, biases and all.
    func multiply(
        _ x: UnsafePointer<Float>, rows: Int, by layers: Range<Int>, ofExpert expert: Int, of block: TransformerBlock<Linear>,
        into results: [UnsafeMutablePointer<Float>])

    /// The product of x [N, in] with a layer that decides about experts: the same bits for a position whatever others there are.
    func score(
        _ x: UnsafePointer<Float>, by layer: Int, of block: TransformerBlock<Linear>, into scores: UnsafeMutablePointer<Float>)

    /// Whether the product with a layer leaves something that the way back needs, though nobody wants its result.
    func keepsProduct(with layer: Linear) -> Bool

    /// attended [N, H D] = softmax(scale q k^T) v over the positions that each one sees, and a sink [H] for each head where there are some.
    func attend(_ attention: Attention, _ rows: AttentionRows, sinks: VectorParameter?, into attended: UnsafeMutablePointer<Float>)
}

/// Where the forward pass of a block puts what it makes of N positions, row after row: memory of their own for values that a
/// backward pass needs, one in the place of another where none follows.
package struct BlockMemory {
    package typealias Pointer = UnsafeMutablePointer<Float>

    /// [N, C]: output of any norm.
    package let normed: Pointer
    /// Queries, keys and values as attention sees them: `AttentionRows`.
    package let projections: Pointer
    /// Queries [N, H D] and keys [N, K D] before norms of heads and clipping; nil for what they become.
    package let rawQueries: Pointer?
    package let rawKeys: Pointer?
    /// [N, H D]: output of attention.
    package let attended: Pointer
    /// [N, C] each: what the branches give before a norm or a factor, or the sum of which a norm is taken; unused where nothing
    /// of the kind follows them.
    package let attentionBranch: Pointer
    package let feedForwardBranch: Pointer
    /// [N, C]: after attention, before the MLP; may be x.
    package let middle: Pointer
    /// [N, I] each: gate and up, or the one inner layer before its activation; both in `gate` [N, 2 I] where one layer makes them.
    package let gate: Pointer
    package let up: Pointer
    /// [N, I]: after the activation; may be `up`.
    package let inner: Pointer
    /// Of a layer with experts, which uses none of the three.
    package let mixture: MixtureMemory
    /// Of each norm, [2, rows].
    package let statistics: [TensorRole: Pointer]

    package init(
        normed: Pointer, projections: Pointer, rawQueries: Pointer? = nil, rawKeys: Pointer? = nil, attended: Pointer,
        attentionBranch: Pointer, feedForwardBranch: Pointer, middle: Pointer, gate: Pointer, up: Pointer, inner: Pointer,
        mixture: MixtureMemory, statistics: [TensorRole: Pointer] = [:]
    ) {
        self.normed = normed
        self.projections = projections
        self.rawQueries = rawQueries
        self.rawKeys = rawKeys
        self.attended = attended
        self.attentionBranch = attentionBranch
        self.feedForwardBranch = feedForwardBranch
        self.middle = middle
        self.gate = gate
        self.up = up
        self.inner = inner
        self.mixture = mixture
        self.statistics = statistics
    }
}
