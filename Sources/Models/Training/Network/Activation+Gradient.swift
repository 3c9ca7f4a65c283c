import Architectures
import CKernels
import Transformer

extension Activation {
    /// y = activation(x)
    func forward(_ x: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<Float>) {
        qk_activate_at(qk_simd_best(), kernel, x, count, y)
    }

    /// - Parameter gradient: of `forward`'s output on entry, and of its input on return.
    func backward(_ gradient: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, count: Int) {
        qk_activate_backward_at(qk_simd_best(), kernel, x, count, gradient)
    }
}
