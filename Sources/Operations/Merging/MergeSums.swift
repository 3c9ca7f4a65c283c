import CKernels
import TensorCore

/// Sums over base, delta and merged values of a tensor, in double precision.
struct MergeSums: Sendable {
    var base = 0.0
    var delta = 0.0
    var change = 0.0
    var changeTimesDelta = 0.0
    var error = 0.0
    var target = 0.0

    init() {}

    /// Of one chunk: the same bits on every machine.
    init(
        base: UnsafeBufferPointer<Float>, delta: UnsafeBufferPointer<Float>, merged: UnsafeBufferPointer<Float>
    ) {
        precondition(base.count == delta.count && base.count == merged.count, "\(base.count), \(delta.count), \(merged.count) values")
        var sums = qk_merge_sums()
        qk_merge_add(&sums, base.baseAddress, delta.baseAddress, merged.baseAddress, base.count)
        func total(_ lanes: (Double, Double, Double, Double, Double, Double, Double, Double)) -> Double {
            ((lanes.0 + lanes.1) + (lanes.2 + lanes.3)) + ((lanes.4 + lanes.5) + (lanes.6 + lanes.7))
        }
        self.base = total(sums.base)
        self.delta = total(sums.delta)
        change = total(sums.change)
        changeTimesDelta = total(sums.changeTimesDelta)
        error = total(sums.error)
        target = total(sums.target)
    }

    /// The same where some values may be none: of an element that overflows nothing of the delta has arrived, and where base or
    /// delta are no numbers there is nothing to measure.
    init(
        ofFinite base: UnsafeBufferPointer<Float>, delta: UnsafeBufferPointer<Float>, merged: UnsafeBufferPointer<Float>
    ) {
        func isFinite(_ values: UnsafeBufferPointer<Float>) -> Bool {
            FiniteScan.firstNonfinite(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(values)), of: .f32) == nil
        }
        guard !isFinite(merged) || !isFinite(base) else {
            self.init(base: base, delta: delta, merged: merged)
            return
        }
        var (w, d, result) = (Array(base), Array(delta), Array(merged))
        for index in w.indices {
            if !w[index].isFinite || !d[index].isFinite { (w[index], d[index], result[index]) = (0, 0, 0) }
            if !result[index].isFinite { result[index] = w[index] }
        }
        self = w.withUnsafeBufferPointer { w in
            d.withUnsafeBufferPointer { d in result.withUnsafeBufferPointer { MergeSums(base: w, delta: d, merged: $0) } }
        }
    }

    /// All of them by their bits: what `init(words:)` takes.
    var words: [UInt64] { [base, delta, change, changeTimesDelta, error, target].map(\.bitPattern) }

    /// - Returns: nil where there are more or fewer.
    init?(words: [UInt64]) {
        guard words.count == 6 else { return nil }
        let values = words.map { Double(bitPattern: $0) }
        (base, delta, change, changeTimesDelta, error, target) = (values[0], values[1], values[2], values[3], values[4], values[5])
    }

    static func + (a: MergeSums, b: MergeSums) -> MergeSums {
        var sum = a
        sum.base += b.base
        sum.delta += b.delta
        sum.change += b.change
        sum.changeTimesDelta += b.changeTimesDelta
        sum.error += b.error
        sum.target += b.target
        return sum
    }
}
