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
    /// Of each element the code whose value is nearest to what the one that is there gives, and the delta; of equal ones the one with the
    /// lowest number.
    func moveToNearest(
        _ codes: UnsafeMutableBufferPointer<UInt8>, _ scales: UnsafeBufferPointer<Float>, _ delta: UnsafeBufferPointer<Float>
    ) {
        let values = withUnsafeBytes(of: kernel.values) { $0.bindMemory(to: Double.self).map { $0 } }
        for element in codes.indices where delta[element] != 0 {
            let scale = Double(scales[element]), wanted = values[Int(codes[element])] * scale + Double(delta[element])
            var (best, distance) = (codes[element], Double.infinity)
            for (code, value) in values.enumerated() where (value * scale - wanted).magnitude < distance {
                (best, distance) = (UInt8(code), (value * scale - wanted).magnitude)
            }
            codes[element] = best
        }
    }
}
