import CKernels

/// Looks for values that are not numbers.
package enum FiniteScan {
    /// Index of the first NaN or infinity among the elements of a float type; nil where there is none, or for other types.
    package static func firstNonfinite(_ bytes: RawSpan, of type: ScalarType) -> Int? {
        guard let kernelType = type.kernelType else { return nil }
        let count = bytes.byteCount / qk_float_byteCount(kernelType)
        let first = bytes.withUnsafeBytes { qk_firstNonfinite(kernelType, $0.baseAddress, count) }
        return first == count ? nil : first
    }
}
