/// What one adapter adds to one linear layer while the base stays as it is.
///
///     y += (x A^T) B^T + bias + (rowGains * x W^T)
///
/// W is never touched: to switch adapters is to take other factors.
package struct LowRankFactors: Sendable {
    package let rank: Int
    /// [r, in].
    package let a: [Float]
    /// [out, r], with everything multiplied in that scales it: alpha over rank, the adapter's weight, DoRA's gains.
    package let b: [Float]
    /// [out], what is added besides; scaled, too.
    package let bias: [Float]?
    /// [out], for DoRA: the length that a row of W + delta is given, over the one it has, minus 1.
    package let rowGains: [Float]?

    /// - Precondition: the factors have whole rows of `rank`.
    package init(rank: Int, a: [Float], b: [Float], bias: [Float]? = nil, rowGains: [Float]? = nil) {
        precondition(rank > 0 && a.count % rank == 0 && b.count % rank == 0, "A is [r, in] and B is [out, r]")
        let outputCount = b.count / rank
        precondition((bias?.count ?? outputCount) == outputCount && (rowGains?.count ?? outputCount) == outputCount, "one value an output")
        self.rank = rank
        self.a = a
        self.b = b
        self.bias = bias
        self.rowGains = rowGains
    }

    package var inputCount: Int { a.count / rank }
    package var outputCount: Int { b.count / rank }
}
