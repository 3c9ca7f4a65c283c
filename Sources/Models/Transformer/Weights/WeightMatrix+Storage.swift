import CKernels

extension WeightMatrix {
    /// Whether the elements are floating-point numbers, neither 4-bit nor 8-bit.
    package var isDense: Bool { stored.storage == QK_MATRIX_DENSE }
}
