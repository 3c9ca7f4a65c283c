/// Why training cannot go on.
package enum TrainingError: Error, Equatable, Sendable {
    /// Step and batch are counted from 0.
    case nonfiniteLoss(step: Int, batch: Int)
    /// The first tensor concerned; nil where each element is finite and only the norm overflows.
    case nonfiniteGradient(step: Int, tensor: String?)
    /// What was asked for cannot be done, and what could be done instead.
    case refused(String, hint: String?)
}

extension TrainingError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .nonfiniteLoss(let step, let batch): "step \(step + 1): the loss of batch \(batch + 1) is not finite"
        case .nonfiniteGradient(let step, let tensor):
            "step \(step + 1): the gradient of \(tensor.map { "'\($0)'" } ?? "all tensors together") is not finite"
        case .refused(let message, _): message
        }
    }

    package var hint: String? {
        switch self {
        case .nonfiniteLoss, .nonfiniteGradient: "a lower --lr, a longer --warmup or --clip 1 keeps steps small"
        case .refused(_, let hint): hint
        }
    }
}
