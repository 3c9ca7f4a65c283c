/// What is known of the inputs x of a linear layer y = W x, from a text.
package struct LayerInputs: Sendable {
    /// Inputs of the layer: columns of W.
    package let columnCount: Int
    /// Mean over the calibration tokens of x x': [columns, columns], symmetric.
    package let moments: [Float]
    /// Inputs that are not in `moments`: [tokens, columns].
    package let heldOut: [Float]
    /// What is added to the diagonal of the moments: .01 of its mean.
    package let damping: Double

    package var heldOutCount: Int { columnCount == 0 ? 0 : heldOut.count / columnCount }

    /// - Parameters:
    ///   - moments: finite numbers, as those of `heldOut`.
    package init(columnCount: Int, moments: [Float], heldOut: [Float]) {
        precondition(
            columnCount > 0 && moments.count == columnCount * columnCount && heldOut.count % columnCount == 0,
            "\(moments.count) moments and \(heldOut.count) held-out inputs of \(columnCount) columns")
        self.columnCount = columnCount
        self.moments = moments
        self.heldOut = heldOut
        let diagonal = (0..<columnCount).reduce(0.0) { $0 + Double(moments[$1 * columnCount + $1]) }
        damping = 0.01 * (diagonal / Double(columnCount))
    }
}
