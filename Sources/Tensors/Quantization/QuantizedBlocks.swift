import CKernels

/// 4-bit elements in memory, from a block boundary on: borrowed for the length of a call.
package struct QuantizedBlocks {
    /// Two codes a byte; (n + 1) / 2 of them.
    package let codes: UnsafeRawBufferPointer
    /// One constant for every block begun.
    package let absmax: ArraySlice<Float>
    package let quantMap: QuantMap
    package let elementCount: Int
    package let blockSize: Int

    package init(
        codes: UnsafeRawBufferPointer, absmax: ArraySlice<Float>, quantMap: QuantMap, elementCount: Int, blockSize: Int
    ) {
        precondition(QuantizationSettings.isValid(blockSize: blockSize), "block size \(blockSize) was not validated")
        precondition(codes.count == (elementCount + 1) / 2, "\(codes.count) bytes for \(elementCount) codes")
        precondition(
            absmax.count == (elementCount + blockSize - 1) / blockSize, "\(absmax.count) absmax values for \(elementCount) elements")
        self.codes = codes
        self.absmax = absmax
        self.quantMap = quantMap
        self.elementCount = elementCount
        self.blockSize = blockSize
    }

    func withKernelBlocks<Result>(_ body: (qk_blocks4) -> Result) -> Result {
        quantMap.values.span.withUnsafeBufferPointer { quantMap in
            absmax.withUnsafeBufferPointer { absmax in
                body(
                    qk_blocks4(
                        quantMap: quantMap.baseAddress, packed: codes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                        absmax: absmax.baseAddress, count: elementCount, blockSize: blockSize))
            }
        }
    }
}
