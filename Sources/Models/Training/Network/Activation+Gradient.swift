import Architectures
import CKernels

extension Activation {
    /// y = activation(x)
    func forward(_ x: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>) {
        switch self {
        case .gelu: qk_gelu_forward(x, count, y)
        case .geluTanh: qk_geluTanh_forward(x, count, y)
        case .relu: qk_relu_forward(x, count, y)
        case .silu: qk_silu_forward(x, count, y)
        }
    }

    /// - Parameter gradient: of `forward`'s output on entry, and of its input on return.
    func backward(_ gradient: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, count: Int) {
        switch self {
        case .gelu: qk_gelu_backward(gradient, x, count)
        case .geluTanh: qk_geluTanh_backward(gradient, x, count)
        case .relu: qk_relu_backward(gradient, x, count)
        case .silu: qk_silu_backward(gradient, x, count)
        }
    }
}
