import Checkpoints
package import Quantization
package import Streaming
import TensorCore

/// What converting one tensor has found: together with the plan, all that header and report need of it.
package struct TensorResult: Sendable, Hashable {
    /// Of a weight that is 4-bit in the output.
    package var state: QuantState?
    /// Of a tensor cast to a narrower type.
    package var narrowing = NarrowingCounts()
    /// The first element that is not finite, in the order of [out, in]; nil where all are.
    package var nonfinite: Int?
}

extension ConversionPlan {
    /// Weights that were quantized although they hold NaN or infinities: name, and index of the first in the weight's own order.
    ///
    /// - Parameter results: one for each item.
    func nonfinite(_ results: [TensorResult]) -> [(name: String, index: Int)] {
        zip(items, results).compactMap { item, result in
            guard let position = result.nonfinite else { return nil }
            let tensor = item.tensor
            let place = tensor.orientation.place(ofElement: position, in: tensor.shape.dimensions)
            return (tensor.name, zip(place, tensor.shape.dimensions).reduce(0) { $0 * $1.1 + $1.0 })
        }
    }
}
