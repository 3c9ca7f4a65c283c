/// Why training cannot go on.
package enum TrainingError: Error, Equatable, Sendable {
    /// Step and batch are counted from 0.
    ///
    /// - `layer`: the first whose output is not finite; nil where only the logits are.
    /// - `samples`: those of the batch, where they are known.
    case nonfiniteLoss(step: Int, batch: Int, layer: Int?, samples: [Int])
    /// The first tensor concerned; nil where each element is finite and only the norm overflows.
    case nonfiniteGradient(step: Int, tensor: String?)
    /// Of records that are not learned, after so many steps; the layer as above.
    case nonfiniteEvaluation(stepCount: Int, layer: Int?)
    /// A trained tensor after so many steps.
    case nonfiniteParameter(stepCount: Int, tensor: String)
}

extension TrainingError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .nonfiniteLoss(let step, let batch, let layer, _):
            "step \(step + 1): the loss of batch \(batch + 1) is not finite"
                + Self.text(layer)
        case .nonfiniteGradient(let step, let tensor):
            "step \(step + 1): the gradient of \(tensor.map { "'\($0)'" } ?? "all tensors together") is not finite"
        case .nonfiniteEvaluation(let stepCount, let layer):
            "after step \(stepCount), the loss of records that are not learned is not finite" + Self.text(layer)
        case .nonfiniteParameter(let stepCount, let tensor): "after step \(stepCount), '\(tensor)' is not finite"
        }
    }

    package var hint: String {
        if case .nonfiniteEvaluation(stepCount: 0, _) = self { return "nothing was learned yet: the model itself gives such numbers" }
        return "a lower `peak`, a longer `warmupCount` or `clip` 1 keeps steps small"
    }

    private static func text(_ layer: Int?) -> String {
        layer.map { ", beginning with the output of layer \($0)" } ?? ", though all layers' outputs are"
    }
}
