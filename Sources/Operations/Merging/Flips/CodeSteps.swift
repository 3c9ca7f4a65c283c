import CKernels
package import Quantization

/// The codes of a quant map by what they stand for: which is the next greater one, which the next smaller.
///
/// NF4's codes ascend; FP4's do not, and two of them are zero, of which a step reaches the first.
package struct CodeSteps: Sendable {
    let kernel: qk_flip_steps
    /// For each code that of the next greater value, or itself.
    let greater: [UInt8]
    /// Likewise of the next smaller one.
    let smaller: [UInt8]

    package init(_ map: QuantMap) {
        let values = map.values.indices.map { Double(map.values[$0]) }
        func nearest(_ isCandidate: (Double, Double) -> Bool, _ precedes: (Double, Double) -> Bool) -> [UInt8] {
            values.indices.map { code in
                var best = code
                for other in values.indices where isCandidate(values[other], values[code]) {
                    if best == code || precedes(values[other], values[best]) { best = other }
                }
                return UInt8(best)
            }
        }
        let greater = nearest({ $0 > $1 }, <), smaller = nearest({ $0 < $1 }, >)
        var kernel = qk_flip_steps()
        withUnsafeMutableBytes(of: &kernel.values) { $0.copyBytes(from: values.withUnsafeBytes(Array.init)) }
        withUnsafeMutableBytes(of: &kernel.greater) { $0.copyBytes(from: greater) }
        withUnsafeMutableBytes(of: &kernel.smaller) { $0.copyBytes(from: smaller) }
        self.kernel = kernel
        self.greater = greater
        self.smaller = smaller
    }
}
