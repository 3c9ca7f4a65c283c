import CKernels
package import Quantization
import TensorCore

/// A weight in 4 bits, as it is about to be stored.
package struct FourBitWeight: Sendable {
    /// Two codes a byte, the first in the high nibble.
    package let codes: [UInt8]
    /// Of the blocks, before they are quantized themselves.
    package let absmax: [Float]
    /// Of the blocks, as readers will see them.
    package let restored: [Float]

    /// Each element by itself, as bitsandbytes does it.
    ///
    /// - Returns: nil where the constants cannot be quantized, or a weight is not finite.
    package init?(nearest weight: UnsafeBufferPointer<Float>, _ settings: QuantizationSettings) {
        guard let (codes, absmax) = Self.nearest(to: weight, settings), let restored = Self.restored(absmax, settings) else { return nil }
        self.init(codes: codes, absmax: absmax, restored: restored)
    }

    /// Codes and the largest magnitude of each block; nil where a weight is not finite.
    static func nearest(
        to weight: UnsafeBufferPointer<Float>, _ settings: QuantizationSettings
    ) -> (codes: [UInt8], absmax: [Float])? {
        var codes = [UInt8](repeating: 0, count: (weight.count + 1) / 2)
        var absmax = [Float](repeating: 0, count: (weight.count + settings.blockSize - 1) / settings.blockSize)
        var packed = codes.mutableSpan, constants = absmax.mutableSpan
        var bytes = packed.mutableBytes
        let nonfinite = BlockQuantizer.quantize(
            RawSpan(_unsafeBytes: UnsafeRawBufferPointer(weight)), of: .f32, as: settings.quantType, blockSize: settings.blockSize,
            packed: &bytes, absmax: &constants)
        return nonfinite == nil ? (codes, absmax) : nil
    }

    init(codes: [UInt8], absmax: [Float], restored: [Float]) {
        self.codes = codes
        self.absmax = absmax
        self.restored = restored
    }

    /// Constants as whoever reads the weight gets them; nil where their mean is not finite.
    package static func restored(_ absmax: [Float], _ settings: QuantizationSettings) -> [Float]? {
        guard settings.isDoubleQuantized else { return absmax }
        let nested = DoubleQuantization.quantize(absmax.span)
        guard let form = try? QuantState.Nested(offset: nested.offset) else { return nil }
        var restored = absmax
        let map = DynamicMap.values
        var span = restored.mutableSpan
        DoubleQuantization.dequantize(
            nested.codes.span.bytes, firstBlock: 0, nestedAbsmax: nested.nestedAbsmax.span, map: map.span, nested: form, into: &span)
        return restored
    }

    /// The weight as readers will see it, in float32.
    package func dequantize(_ settings: QuantizationSettings, into weight: UnsafeMutableBufferPointer<Float>) {
        var span = MutableSpan(_unsafeElements: weight)
        BlockDequantizer.dequantize(
            codes.span.bytes, absmax: restored.span, quantMap: settings.quantType.quantMap, blockSize: settings.blockSize, into: &span)
    }
}
