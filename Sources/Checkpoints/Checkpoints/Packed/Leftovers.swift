import TensorCore

/// Tensors beside quantized weights that mean nothing once these are dense: scales of activations and of caches, marks of layouts,
/// constants and masks that follow from the model.
struct Leftovers {
    private let context: LayoutContext
    private let infos: [TensorInfo]
    /// Whether the checkpoint is of quantized weights at all: of any other everything is kept.
    private let isQuantized: Bool

    init(_ source: any TensorSource, _ context: LayoutContext, weights: some Sequence<LogicalTensor>) {
        self.context = context
        infos = source.tensors
        let method = context.quantization.methodOfConfig
        isQuantized =
            !(source is any BlockSource)
            && (weights.contains(where: \.isEncoded) || method != nil && method != StatedQuantization.bitsandbytes)
    }

    /// Of any module.
    private static let everywhere = [
        ".input_scale", ".activation_scale", ".input_global_scale", ".input_zero_point", ".output_scale", ".output_zero_point",
        ".weight_format", ".q_scale", ".k_scale", ".v_scale", ".prob_scale", ".qscale_act", ".rotary_emb.inv_freq",
    ]
    /// Of a module whose weight is dense.
    private static let besideDense = [
        ".weight_scale", ".weight_scale_inv", ".weight_scale_2", ".weight_global_scale", ".weight_zero_point", ".weight_g_idx",
        ".weight_shape", ".qscale_weight", ".g_idx", ".SCB",
    ]
    /// Masks of attention, which files hold as tensors of no weights.
    private static let masks = [".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias"]

    func isLeftover(_ info: TensorInfo) -> Bool {
        guard isQuantized else { return false }
        if Self.everywhere.contains(where: { info.name.hasSuffix($0) }) { return true }
        if Self.masks.contains(where: { info.name.hasSuffix($0) }) { return info.shape.dimensions.count != 1 }
        guard let end = Self.besideDense.first(where: { info.name.hasSuffix($0) }) else { return false }
        guard let weight = context.place(of: info.name.dropLast(end.count) + ".weight") else { return false }
        return infos[weight].scalarType.isNarrowable
    }
}
