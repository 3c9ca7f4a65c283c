import CKernels
import TestSupport

/// The levels this machine can run.
let levels: [qk_simd] = [QK_SCALAR, QK_AVX2, QK_AVX512].filter { $0.rawValue <= qk_simd_best().rawValue }

extension qk_simd {
    var name: String { ["scalar", "AVX2", "AVX-512"][Int(rawValue)] }
}

/// Equal bits; any two NaNs are equal.
func isSame(_ a: [Float], _ b: [Float]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN }
}
