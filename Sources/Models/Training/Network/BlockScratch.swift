import Transformer

/// Memory that all blocks share, because nothing in it outlives one pass through one block.
struct BlockScratch {
    typealias Pointer = UnsafeMutablePointer<Float>

    /// [N, C]: output of a norm, and the gradient of such an output.
    let normed: Pointer
    let dnormed: Pointer
    /// [N, C]: gradient of what a branch gives, where that is not the sum's.
    let dbranch: Pointer
    /// [N, I] twice: the MLP between its layers, and its gradients.
    let inner: Pointer
    let dinner: Pointer
    /// [N, 2 I]: gradients of gates and ups that one layer makes.
    let dgates: Pointer
    /// [N, Q]: gradient of the output of attention.
    let dattended: Pointer
    /// [N, Q + 2 G]: gradients of queries, keys and values, laid out as they are.
    let dprojections: Pointer
    /// [N, in] of the widest layer: inputs without what dropout takes.
    let dropped: Pointer
    /// [N, r] of the highest rank.
    let rankRows: Pointer
    let mixture: MixtureMemory
    let mixtureGradients: MixtureGradients
    /// u of the updates of one expert's layers, [N, r] each.
    let expertUpdates: [Pointer]

    /// Gradients inside of a mixture, rows of one expert at a time.
    struct MixtureGradients {
        /// [N, E]: of the weights of experts, then of their scores.
        let scores: Pointer
        /// [N, C]: of what an expert gives.
        let output: Pointer
        /// [N, I]
        let inner: Pointer
    }
}

extension BlockScratch {
    static func parts(_ s: BlockShape) -> [Int] {
        let n = s.positions
        return [
            n * s.width, n * s.width, s.needsBranchGradient ? n * s.width : 0, n * s.innerWidth,
            n * max(s.innerWidth, s.keyValueWidth), s.gateWidth > s.innerWidth ? n * s.gateWidth : 0, n * s.queryWidth,
            n * s.attentionWidth, n * max(s.width, s.innerWidth, s.queryWidth, s.mixture.innerWidth),
            n * max(s.ranks.max() ?? 0, s.expertRank),
        ] + MixtureMemory.counts(s.mixture, positions: n)
            + [n * s.mixture.expertCount, n * s.mixture.width, n * s.mixture.innerWidth]
            + Array(repeating: n * s.expertRank, count: 3)
    }

    init(_ base: Pointer, _ shape: BlockShape) {
        let parts = BlockShape.divide(base, Self.parts(shape))
        normed = parts[0]
        dnormed = parts[1]
        dbranch = parts[2]
        inner = parts[3]
        dinner = parts[4]
        dgates = parts[5]
        dattended = parts[6]
        dprojections = parts[7]
        dropped = parts[8]
        rankRows = parts[9]
        mixture = MixtureMemory(Array(parts[10..<15]))
        mixtureGradients = MixtureGradients(scores: parts[15], output: parts[16], inner: parts[17])
        expertUpdates = Array(parts[18..<21])
    }
}
