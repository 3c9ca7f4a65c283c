package import CKernels

extension ScalarType {
    /// What the kernels call this type; nil for types that are no plain floating-point numbers.
    package var kernelType: qk_float? {
        switch self {
        case .f32: QK_F32
        case .f64: QK_F64
        case .f16: QK_F16
        case .bf16: QK_BF16
        case .f8e4m3: QK_F8_E4M3
        case .f8e5m2: QK_F8_E5M2
        default: nil
        }
    }
}

/// Stored floating-point elements to and from float32.
package enum FloatConversion {
    /// Elements of `source`, of any quantizable type, as float32: exact, but for `f64`, which is rounded once.
    package static func widen(_ source: RawSpan, of scalarType: ScalarType, into destination: inout MutableSpan<Float>) {
        guard let type = scalarType.kernelType else { preconditionFailure("\(scalarType) is not quantizable") }
        let count = destination.count
        precondition(scalarType.byteCount(elementCount: count) == source.byteCount, "source and destination differ in length")
        source.withUnsafeBytes { source in
            destination.withUnsafeMutableBufferPointer { qk_widen(type, source.baseAddress, count, $0.baseAddress) }
        }
    }

    /// Rounds to `f16` or `bf16` (nearest even, overflow to infinity, a NaN stays one) or copies as `f32`.
    package static func narrow(_ source: Span<Float>, to scalarType: ScalarType, into destination: inout MutableRawSpan) {
        guard scalarType.isNarrowable, let type = scalarType.kernelType else {
            preconditionFailure("\(scalarType) is no type to narrow to")
        }
        let count = source.count
        precondition(
            scalarType.byteCount(elementCount: count) == destination.byteCount, "source and destination differ in length")
        source.withUnsafeBufferPointer { source in
            destination.withUnsafeMutableBytes { qk_narrow(type, source.baseAddress, count, $0.baseAddress) }
        }
    }

    /// One value as it is after it was stored as such a type; the value itself where it is no type to narrow to.
    package static func rounded(_ value: Float, to scalarType: ScalarType) -> Float {
        guard scalarType.isNarrowable, let type = scalarType.kernelType else { return value }
        var (value, stored, result) = (value, UInt32(0), Float(0))
        qk_narrow(type, &value, 1, &stored)
        qk_widen(type, &stored, 1, &result)
        return result
    }
}

extension ScalarType {
    /// Types that float32 values can be stored as: what a weight can be dequantized to.
    package var isNarrowable: Bool {
        switch self {
        case .f32, .f16, .bf16: true
        default: false
        }
    }
}
