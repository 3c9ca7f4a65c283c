/// What LoRA adds to the weight of one module: `delta = scaling * (B @ A)`.
///
///     linear     A [rank, in]          B [out, rank]   delta [out, in]
///     embedding  A [rank, vocabulary]  B [dim, rank]   delta transposed: [vocabulary, dim], as the table lies
///
/// Of a `Conv1D`, whose dense weight is [in, out], the delta is added transposed; the base decides that, see
/// `AdapterBinding`. With DoRA the sum is then rescaled: row i of W + delta (taken as [out, in]) to the length `magnitude[i]`.
package struct LowRankUpdate: Sendable {
    package let a: AdapterTensor
    package let b: AdapterTensor
    /// `lora_alpha` of this module: that of `alpha_pattern` where an entry matches.
    package let alpha: Double
    /// `alpha / rank`, or `alpha / sqrt(rank)` with `use_rslora`. PyTorch rounds it to float32 once, then multiplies.
    package let scaling: Double
    /// [out], of `lora_bias`: the base's bias becomes `bias + scaling * this`.
    package let bias: AdapterTensor?
    /// [out], of `use_dora`: the lengths of the rows of the merged weight.
    package let magnitude: AdapterTensor?
    /// [vocabulary, dim] or [out, in]: a copy of the base's own weight, which PEFT saves beside the adapter of an embedding.
    package let baseCopy: AdapterTensor?

    package var rank: Int { a.dimensions[0] }
    package var inputCount: Int { a.dimensions[1] }
    package var outputCount: Int { b.dimensions[0] }
}
