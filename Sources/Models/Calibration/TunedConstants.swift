/// Constants and dense vectors that take the places of those of a 4-bit model; codes stay.
package struct TunedConstants: Sendable, Hashable {
    /// Of the blocks, before they are quantized themselves, by the names of the weights.
    package var absmax: [String: [Float]]
    /// By the names of the tensors; rounded to their types.
    package var vectors: [String: [Float]]

    package init(absmax: [String: [Float]], vectors: [String: [Float]]) {
        self.absmax = absmax
        self.vectors = vectors
    }
}
