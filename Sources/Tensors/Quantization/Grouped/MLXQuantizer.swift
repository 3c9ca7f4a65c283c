package import TensorCore

/// Codes, scales and biases of MLX's affine quantization, the bits that `mx.quantize` gives on a CPU.
///
/// The end of a group's values that is farther from zero is the bias, and the scale is such that zero is a code: q = (w - b) / s. Codes
/// follow from scale and bias in float32; both are rounded to the type of the weight where they are stored.
package struct MLXQuantizer: Sendable {
    /// 2, 4 or 8: codes that fill bytes.
    package let bits: Int
    package let groupSize: Int
    /// Of scales and biases: F32, F16 or BF16.
    package let scalarType: ScalarType

    /// The least scale, that of a group of equal values.
    private static let leastScale: Float = 1e-7

    package init(bits: Int, groupSize: Int, scalarType: ScalarType) {
        precondition(
            [2, 4, 8].contains(bits) && groupSize % 8 == 0 && scalarType.isNarrowable, "\(bits) bits, \(groupSize), \(scalarType)")
        self.bits = bits
        self.groupSize = groupSize
        self.scalarType = scalarType
    }

    /// What a number of elements takes.
    package func codeByteCount(_ elementCount: Int) -> Int { elementCount / 8 * bits }
    package func constantByteCount(_ elementCount: Int) -> Int { elementCount / groupSize * (scalarType.bitCount / 8) }

    /// Whole groups of finite values, which are of `scalarType`.
    ///
    /// - Parameters:
    ///   - codes: `codeByteCount` bytes.
    ///   - scales, biases: `constantByteCount` bytes each.
    package func quantize(
        _ values: UnsafeBufferPointer<Float>, codes: UnsafeMutableRawBufferPointer, scales: UnsafeMutableRawBufferPointer,
        biases: UnsafeMutableRawBufferPointer
    ) {
        precondition(values.count % groupSize == 0 && codes.count == codeByteCount(values.count), "whole groups")
        let groupCount = values.count / groupSize, perByte = 8 / bits
        var scaleValues = [Float](repeating: 0, count: groupCount), biasValues = scaleValues
        for group in 0..<groupCount {
            let elements = UnsafeBufferPointer(rebasing: values[group * groupSize..<(group + 1) * groupSize])
            let (scale, bias) = constants(elements)
            (scaleValues[group], biasValues[group]) = (scale, bias)
            let greatest = Float(1 << bits - 1), start = codeByteCount(group * groupSize)
            for byte in 0..<groupSize / perByte {
                var packed: UInt8 = 0
                for place in 0..<perByte {
                    let code = ((elements[byte * perByte + place] - bias) / scale).rounded(.toNearestOrEven)
                    packed |= UInt8(min(max(code, 0), greatest)) << UInt8(place * bits)
                }
                codes[start + byte] = packed
            }
        }
        store(scaleValues, scales)
        store(biasValues, biases)
    }

    private func constants(_ elements: UnsafeBufferPointer<Float>) -> (scale: Float, bias: Float) {
        var (least, greatest) = (Float.infinity, -Float.infinity)
        for element in elements {
            least = min(least, element)
            greatest = max(greatest, element)
        }
        let isLeastFarther = least.magnitude > greatest.magnitude
        let width = max((greatest - least) / Float(1 << bits - 1), Self.leastScale)
        let edge = isLeastFarther ? least : greatest, scale = isLeastFarther ? width : -width
        let steps = (edge / scale).rounded(.toNearestOrEven)
        return steps == 0 ? (scale, 0) : (edge / steps, edge)
    }

    private func store(_ values: [Float], _ bytes: UnsafeMutableRawBufferPointer) {
        var destination = MutableRawSpan(_unsafeBytes: bytes)
        FloatConversion.narrow(values.span, to: scalarType, into: &destination)
    }
}
