package import TensorCore

/// Conversion between the float types of stored tensors, with a count of what the narrower one could not hold.
package enum FloatCast {
    /// Converts `input` from one type to another by way of float32: widening is exact (F64 is rounded once), narrowing
    /// rounds to nearest even.
    ///
    /// - Parameters:
    ///   - type: F32, F16 or BF16.
    ///   - output: room for as many elements of `type` as `input` has of its own.
    ///   - widened: room for as many F32.
    package static func cast(
        _ input: UnsafeRawBufferPointer, from: ScalarType, to type: ScalarType, into output: UnsafeMutableRawBufferPointer,
        widened: UnsafeMutableRawBufferPointer
    ) -> NarrowingCounts {
        let count = input.count / (from.bitCount / 8)
        precondition(widened.count >= 4 * count && output.count == count * type.bitCount / 8, "both outputs hold all elements")
        guard count > 0 else { return NarrowingCounts() }
        let floats = UnsafeMutableBufferPointer(rebasing: widened.bindMemory(to: Float.self)[..<count])
        var values = MutableSpan(_unsafeElements: floats)
        FloatConversion.widen(RawSpan(_unsafeBytes: input), of: from, into: &values)
        var narrowed = MutableRawSpan(_unsafeBytes: output)
        FloatConversion.narrow(values.span, to: type, into: &narrowed)
        var counts = NarrowingCounts()
        if from == .f64 || type != .f32 {
            counts = self.counts(input, from: from, floats: floats, output: output, type: type, count: count)
        }
        return counts
    }

    private static func counts(
        _ input: UnsafeRawBufferPointer, from: ScalarType, floats: UnsafeMutableBufferPointer<Float>, output: UnsafeMutableRawBufferPointer,
        type: ScalarType, count: Int
    ) -> NarrowingCounts {
        var counts = NarrowingCounts()
        for index in 0..<count {
            let before = from == .f64 ? input.loadUnaligned(fromByteOffset: 8 * index, as: Double.self) : Double(floats[index])
            let bits = type == .f32 ? 0 : output.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
            let exponentMask: UInt16 = type == .f16 ? 0x7c00 : 0x7f80
            let isInfinite = type == .f32 ? floats[index].isInfinite : bits & 0x7fff == exponentMask
            let isZero = type == .f32 ? floats[index] == 0 : bits & 0x7fff == 0
            if isInfinite, before.isFinite { counts.overflows += 1 }
            if isZero, before != 0 { counts.underflows += 1 }
        }
        return counts
    }
}
