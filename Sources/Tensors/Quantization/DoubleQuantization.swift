import CKernels

/// Absmax values as 8-bit codes.
package struct NestedAbsmax: Hashable, Sendable {
    /// One per absmax value: index into `DynamicMap.values`.
    package let codes: [UInt8]
    /// One per 256 of them.
    package let nestedAbsmax: [Float]
    /// The mean of the absmax values.
    package let offset: Float
}

/// Quantizes the absmax values of a tensor themselves ("compress statistics"), as bitsandbytes 0.50 on a CPU.
package enum DoubleQuantization {
    /// Quantizes all absmax values of a tensor; there is at least one.
    ///
    /// The mean is taken in torch's order on one thread of an AVX2 machine: torch gives other last bits elsewhere.
    package static func quantize(_ absmax: Span<Float>) -> NestedAbsmax {
        precondition(!absmax.isEmpty, "a tensor has at least one block")
        let count = absmax.count, blockSize = QuantizationSettings.nestedBlockSize
        let nestedCount = (count + blockSize - 1) / blockSize
        return absmax.withUnsafeBufferPointer { absmax in
            let offset = qk_mean(absmax.baseAddress, count)
            var nestedAbsmax: [Float] = []
            let codes = [UInt8](unsafeUninitializedCapacity: count) { codes, initializedCodeCount in
                nestedAbsmax = [Float](unsafeUninitializedCapacity: nestedCount) { nested, initializedCount in
                    qk_quantize8(
                        absmax.baseAddress, offset, count, blockSize, DynamicMap.bins, codes.baseAddress, nested.baseAddress)
                    initializedCount = nestedCount
                }
                initializedCodeCount = count
            }
            return NestedAbsmax(codes: codes, nestedAbsmax: nestedAbsmax, offset: offset)
        }
    }

    /// The absmax values of consecutive blocks of a tensor: `map[code] * nestedAbsmax + offset`, rounded twice.
    ///
    /// - Parameters:
    ///   - codes: one per block, from block `firstBlock` of the tensor on.
    ///   - nestedAbsmax: of the whole tensor.
    ///   - map: 256 values, the checkpoint's `nested_quant_map`: machines differ in the last bits of theirs.
    ///   - absmax: as many values as codes.
    package static func dequantize(
        _ codes: RawSpan, firstBlock: Int, nestedAbsmax: Span<Float>, map: Span<Float>, nested: QuantState.Nested,
        into absmax: inout MutableSpan<Float>
    ) {
        let count = codes.byteCount
        precondition(map.count == 256, "\(map.count) entries in a map of 256")
        precondition(absmax.count == count, "\(absmax.count) absmax values for \(count) codes")
        precondition(
            firstBlock >= 0 && (count == 0 || (firstBlock + count - 1) / nested.blockSize < nestedAbsmax.count),
            "codes from \(firstBlock) on, \(count) of them, but \(nestedAbsmax.count) nested absmax values")
        absmax.withUnsafeMutableBufferPointer { absmax in
            codes.withUnsafeBytes { codes in
                nestedAbsmax.withUnsafeBufferPointer { nestedAbsmax in
                    map.withUnsafeBufferPointer { map in
                        qk_dequantize8(
                            map.baseAddress, codes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                            nestedAbsmax.baseAddress, nested.offset, firstBlock, count, nested.blockSize, absmax.baseAddress)
                    }
                }
            }
        }
    }
}
