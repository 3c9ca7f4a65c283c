package import ByteIO
package import Quantization
package import TensorCore

/// Reads a 4-bit weight back, block by block, with the codebooks that its own file holds.
package struct QuantizedReader: Sendable {
    package let state: QuantState
    private let source: any TensorSource
    private let tensor: QuantizedTensor
    /// The 16 values that codes stand for, before they are multiplied by their block's constant.
    package let quantMap: QuantMap
    private let storedMap: QuantMap
    private let nestedMap: [Float]

    /// Reads the codebooks. A value in them that is not finite is refused: it would spread silently.
    package init(source: any TensorSource, tensor: QuantizedTensor) throws(FileError) {
        self.source = source
        self.tensor = tensor
        state = tensor.state
        let values = try source.finiteFloats(ofTensor: tensor.quantMap)
        storedMap = QuantMap([16 of Float] { values[$0] })
        // bitsandbytes' kernel for rows of odd length looks codes up in the stored map, the others know FP4's -0.
        quantMap = (state.shape.dimensions.last ?? 0) % 2 == 0 ? storedMap.decodingMap(for: state.quantType) : storedMap
        nestedMap = try tensor.nested.map { parts throws(FileError) in try source.finiteFloats(ofTensor: parts.quantMap) } ?? []
    }

    /// Whether the codebooks in the file are, bit for bit, those that our quantizer writes.
    package var hasStandardMaps: Bool {
        storedMap == state.quantType.quantMap
            && (tensor.nested == nil || nestedMap.map(\.bitPattern) == DynamicMap.values.map(\.bitPattern))
    }

    /// The constants of the blocks `range`, with double quantization undone.
    package func absmax(ofBlocks range: Range<Int>) throws(FileError) -> [Float] {
        guard let parts = tensor.nested, let nested = state.nested else {
            return try source.floats(ofTensor: tensor.absmax, range)
        }
        let firstNested = range.lowerBound / nested.blockSize
        // A file may give any block size: nothing is added to it.
        let endNested = range.isEmpty ? firstNested : (range.upperBound - 1) / nested.blockSize + 1
        let nestedAbsmax = try source.floats(ofTensor: parts.absmax, firstNested..<endNested)
        let codes = try source.bytes(ofTensor: tensor.absmax, range)
        return [Float](unsafeUninitializedCapacity: range.count) { buffer, count in
            var values = MutableSpan(_unsafeElements: UnsafeMutableBufferPointer(rebasing: buffer[..<range.count]))
            DoubleQuantization.dequantize(
                codes.span.bytes, firstBlock: range.lowerBound - firstNested * nested.blockSize, nestedAbsmax: nestedAbsmax.span,
                map: nestedMap.span, nested: nested, into: &values)
            count = range.count
        }
    }

    /// Whether the stored 8-bit codes and nested constants of a doubly quantized weight are these, bit for bit.
    package func hasNestedConstants(codes: [UInt8], absmax: [Float]) throws(FileError) -> Bool {
        guard let parts = tensor.nested else { return false }
        let stored = try source.floats(ofTensor: parts.absmax, 0..<source.tensors[parts.absmax].elementCount)
        return try source.bytes(ofTensor: tensor.absmax) == codes
            && stored.count == absmax.count && zip(stored, absmax).allSatisfy { $0.bitPattern == $1.bitPattern }
    }

    /// Packed codes of the elements `range`, which begins at a block.
    package func readCodes(_ range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        precondition(range.lowerBound % state.blockSize == 0 && buffer.count == (range.count + 1) / 2, "codes are read by blocks")
        try source.read(tensor: tensor.codes, atByteOffset: range.lowerBound / 2, into: buffer)
    }

    /// Values of the elements `range`, which begins at a block, as f32, f16 or bf16.
    ///
    /// - Parameters:
    ///   - codes: room for (range.count + 1) / 2 bytes.
    ///   - values: room for the elements.
    package func dequantize(
        _ range: Range<Int>, as type: ScalarType, codes: UnsafeMutableRawBufferPointer, into values: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        try readCodes(range, into: codes)
        let firstBlock = range.lowerBound / state.blockSize
        let absmax = try absmax(ofBlocks: firstBlock..<(range.upperBound + state.blockSize - 1) / state.blockSize)
        var destination = MutableRawSpan(_unsafeBytes: values)
        BlockDequantizer.dequantize(
            RawSpan(_unsafeBytes: UnsafeRawBufferPointer(codes)), absmax: absmax.span, quantMap: quantMap, blockSize: state.blockSize,
            to: type, into: &destination)
    }
}
