import CKernels
package import TensorCore

/// Turns 4-bit codes back into elements.
package enum BlockDequantizer {
    /// Dequantizes a chunk that starts at a block boundary: `quantMap[code] * absmax` in float32, rounded once more for
    /// F16 and BF16 (overflow gives an infinity).
    ///
    /// - Parameters:
    ///   - packed: the codes from the chunk's first element on; (n + 1) / 2 bytes.
    ///   - absmax: one value per block of the chunk.
    ///   - quantMap: the checkpoint's own, through `decodingMap(for:)`: it need not be ours.
    ///   - scalarType: F32, F16 or BF16.
    ///   - destination: n elements of that type, at any alignment; its length decides what n is.
    package static func dequantize(
        _ packed: RawSpan, absmax: Span<Float>, quantMap: QuantMap, blockSize: Int, to scalarType: ScalarType,
        into destination: inout MutableRawSpan
    ) {
        precondition(QuantizationSettings.isValid(blockSize: blockSize), "block size \(blockSize) was not validated")
        guard scalarType.isNarrowable, let type = scalarType.kernelType else {
            preconditionFailure("\(scalarType) is no type to dequantize to")
        }
        let count = destination.byteCount / qk_float_byteCount(type)
        precondition(scalarType.byteCount(elementCount: count) == destination.byteCount, "destination ends within an element")
        precondition(packed.byteCount == count / 2 + count % 2, "\(packed.byteCount) bytes for \(count) codes")
        precondition(
            absmax.count == (count + blockSize - 1) / blockSize, "\(absmax.count) absmax values for \(count) elements")
        destination.withUnsafeMutableBytes { destination in
            packed.withUnsafeBytes { packed in
                absmax.withUnsafeBufferPointer { absmax in
                    quantMap.values.span.withUnsafeBufferPointer { quantMap in
                        qk_dequantize4(
                            quantMap.baseAddress, packed.baseAddress?.assumingMemoryBound(to: UInt8.self),
                            absmax.baseAddress, count, blockSize, type, destination.baseAddress)
                    }
                }
            }
        }
    }

    /// As above, to float32.
    package static func dequantize(
        _ packed: RawSpan, absmax: Span<Float>, quantMap: QuantMap, blockSize: Int, into destination: inout MutableSpan<Float>
    ) {
        var bytes = destination.mutableBytes
        dequantize(packed, absmax: absmax, quantMap: quantMap, blockSize: blockSize, to: .f32, into: &bytes)
    }
}
