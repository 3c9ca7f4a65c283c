package import Architectures
package import CKernels

extension Activation {
    /// As kernels call it.
    package var kernel: qk_activation {
        switch self {
        case .gelu: QK_GELU
        case .geluTanh: QK_GELU_TANH
        case .relu: QK_RELU
        case .reluSquared: QK_RELU_SQUARED
        case .silu: QK_SILU
        }
    }
}
