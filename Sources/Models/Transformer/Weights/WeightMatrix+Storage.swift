import CKernels

extension WeightMatrix {
    /// Whether the elements are floating-point numbers, neither 4-bit nor 8-bit.
    package var isDense: Bool { stored.storage == QK_MATRIX_DENSE }

    /// A number as the elements' type holds it, where that is F16 or BF16.
    package func rounded(_ value: Float) -> Float {
        guard isDense, stored.type == QK_F16 || stored.type == QK_BF16 else { return value }
        var (half, result): (UInt16, Float) = (0, value)
        qk_narrow(stored.type, &result, 1, &half)
        qk_widen(stored.type, &half, 1, &result)
        return result
    }
}
