import CKernels
package import TensorCore

/// Quantizes elements to 4-bit codes, bit for bit as bitsandbytes 0.50 on a CPU.
package enum BlockQuantizer {
    /// Quantizes a chunk that starts at a block boundary of its tensor.
    ///
    /// A chunk is a whole number of blocks, but for the last one of a tensor: a partial block at its end is taken for the
    /// tensor's last, which is computed by a slightly different rule.
    ///
    /// - Parameters:
    ///   - source: elements of any quantizable type. Only F32, F16 and BF16 have a counterpart in bitsandbytes; the
    ///     others are quantized as their float32 values.
    ///   - packed: (n + 1) / 2 bytes; the first element of each pair becomes the high nibble.
    ///   - absmax: one value per block begun.
    /// - Returns: the index of the first NaN or infinity (a float64 beyond float32 counts as one): nothing meaningful can
    ///   be made of its block. Nil where all are finite.
    package static func quantize(
        _ source: RawSpan, of scalarType: ScalarType, as quantType: QuantType, blockSize: Int,
        packed: inout MutableRawSpan, absmax: inout MutableSpan<Float>
    ) -> Int? {
        precondition(QuantizationSettings.isValid(blockSize: blockSize), "block size \(blockSize) was not validated")
        guard let type = scalarType.kernelType else { preconditionFailure("\(scalarType) is not quantizable") }
        let count = source.byteCount / qk_float_byteCount(type)
        precondition(scalarType.byteCount(elementCount: count) == source.byteCount, "source ends within an element")
        precondition(packed.byteCount == count / 2 + count % 2, "\(packed.byteCount) bytes for \(count) codes")
        precondition(
            absmax.count == (count + blockSize - 1) / blockSize, "\(absmax.count) absmax values for \(count) elements")
        let firstNonFinite = source.withUnsafeBytes { source in
            packed.withUnsafeMutableBytes { packed in
                absmax.withUnsafeMutableBufferPointer { absmax in
                    qk_quantize4(
                        quantType.kernelCode, type, source.baseAddress, count, blockSize,
                        packed.baseAddress?.assumingMemoryBound(to: UInt8.self), absmax.baseAddress)
                }
            }
        }
        return firstNonFinite == count ? nil : firstNonFinite
    }
}

extension QuantType {
    var kernelCode: qk_code4 {
        switch self {
        case .nf4: QK_NF4
        case .fp4: QK_FP4
        }
    }
}
