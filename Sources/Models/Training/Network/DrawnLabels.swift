import Platform
import Records
import TensorCore

/// Labels that a model draws from its own predictions: gradients of their losses tell how its predictions move with its weights.
struct DrawnLabels {
    /// In [0, 1), one for each prediction.
    private let uniforms: [Float]

    init(count: Int, seed: UInt64, batchNumber: Int) {
        var random = RandomStreams.labels(seed: seed, batch: batchNumber)
        uniforms = (0..<count).map { _ in random.uniform() }
    }

    /// The label of prediction `number`.
    ///
    /// - Parameters:
    ///   - logits: [count]; where they are no numbers, the last one is drawn.
    ///   - cap: c, where logits z stand for c tanh(z / c).
    func label(_ number: Int, _ logits: UnsafePointer<Float>, count: Int, cap: Float?) -> Int32 {
        func logit(_ z: Float) -> Double { cap.map { Double($0) * tanh(Double(z / $0)) } ?? Double(z) }
        var largest = -Float.infinity
        for i in 0..<count { largest = max(largest, logits[i]) }
        let top = logit(largest)
        var sum = 0.0
        for i in 0..<count { sum += exp(logit(logits[i]) - top) }
        var left = Double(uniforms[number]) * sum
        for i in 0..<count {
            left -= exp(logit(logits[i]) - top)
            if left < 0 { return Int32(i) }
        }
        return Int32(count - 1)
    }
}
