import CKernels
import TestSupport

/// The levels this machine can run.
let levels: [qk_simd] = (0..<UInt32(QK_SIMD_COUNT)).map { qk_simd(rawValue: $0) }.filter { qk_simd_supports($0) }

extension qk_simd {
    var name: String { String(cString: qk_simd_name(self)) }
}

/// Equal bits; any two NaNs are equal.
func isSame(_ a: [Float], _ b: [Float]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN }
}
