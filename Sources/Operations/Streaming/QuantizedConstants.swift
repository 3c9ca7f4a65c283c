package import Checkpoints
package import Quantization

/// What is stored of a quantized weight beside its codes, made once the constants of all blocks are known.
package struct QuantizedConstants: Sendable {
    /// The bytes of each part.
    package let parts: [(part: QuantizedTensor.Part, bytes: [UInt8])]
    /// Of double quantization.
    package let offset: Float?
    private let absmax: [Float]
    private let nested: NestedAbsmax?

    /// - Parameter absmax: of the blocks, in float32.
    package init(_ absmax: [Float], _ settings: QuantizationSettings) {
        func bytes(_ values: [Float]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }
        let codebook = settings.quantType.quantMap.values
        var parts = [(part: QuantizedTensor.Part.quantMap, bytes: bytes(codebook.indices.map { codebook[$0] }))]
        let nested = settings.isDoubleQuantized ? DoubleQuantization.quantize(absmax.span) : nil
        if let nested {
            parts += [(.absmax, nested.codes), (.nestedAbsmax, bytes(nested.nestedAbsmax)), (.nestedQuantMap, bytes(DynamicMap.values))]
        } else {
            parts.append((.absmax, bytes(absmax)))
        }
        self.parts = parts
        self.absmax = absmax
        self.nested = nested
        offset = nested?.offset
    }

    /// The constants as whoever reads the weight gets them.
    package func restored(_ state: QuantState) -> [Float] {
        guard let nested, let form = state.nested else { return absmax }
        var restored = absmax
        let map = DynamicMap.values
        var span = restored.mutableSpan
        DoubleQuantization.dequantize(
            nested.codes.span.bytes, firstBlock: 0, nestedAbsmax: nested.nestedAbsmax.span, map: map.span, nested: form, into: &span)
        return restored
    }
}
