import CKernels

/// The largest magnitude and the largest error of each block of values.
package struct BlockMaxima: Sendable {
    package let absmax: [Float]
    package let largestError: [Float]

    /// - Parameters:
    ///   - reference: the values as they should be.
    ///   - actual: as many values as they are.
    package init(reference: Span<Float>, actual: Span<Float>, blockSize: Int) {
        precondition(reference.count == actual.count && blockSize > 0, "\(reference.count) and \(actual.count) values")
        let blockCount = (reference.count + blockSize - 1) / blockSize
        var absmax: [Float] = []
        largestError = [Float](unsafeUninitializedCapacity: blockCount) { errors, errorCount in
            absmax = [Float](unsafeUninitializedCapacity: blockCount) { maxima, maximaCount in
                reference.withUnsafeBufferPointer { reference in
                    actual.withUnsafeBufferPointer { actual in
                        qk_blockMaxima(
                            reference.baseAddress, actual.baseAddress, reference.count, blockSize, maxima.baseAddress, errors.baseAddress)
                    }
                }
                maximaCount = blockCount
            }
            errorCount = blockCount
        }
        self.absmax = absmax
    }
}

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
