/// Why training cannot go on.
package enum TrainingError: Error, Equatable, Sendable {
    /// Step and batch are counted from 0.
    ///
    /// - `layer`: the first whose output is not finite; nil where only the logits are.
    /// - `samples`: those of the batch, where they are known.
    case nonfiniteLoss(step: Int, batch: Int, layer: Int?, samples: [Int])
    /// The first tensor concerned; nil where each element is finite and only the norm overflows.
    case nonfiniteGradient(step: Int, tensor: String?)
}

extension TrainingError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .nonfiniteLoss(let step, let batch, let layer, _):
            "step \(step + 1): the loss of batch \(batch + 1) is not finite"
                + (layer.map { ", beginning with the output of layer \($0)" } ?? ", though all layers' outputs are")
        case .nonfiniteGradient(let step, let tensor):
            "step \(step + 1): the gradient of \(tensor.map { "'\($0)'" } ?? "all tensors together") is not finite"
        }
    }

    package var hint: String { "a lower --lr, a longer --warmup or --clip 1 keeps steps small; the checkpoints before it are still good" }
}
