import Architectures
import CKernels

extension Activation {
    /// Replaces `count` values by what the activation makes of them.
    func apply(to values: UnsafeMutablePointer<Float>, count: Int, level: qk_simd) {
        switch self {
        case .gelu: qk_gelu_at(level, values, count, values)
        case .geluTanh: qk_geluTanh_at(level, values, count, values)
        case .relu: qk_relu_at(level, values, count, values)
        case .silu: qk_silu_at(level, values, count, values)
        }
    }
}
