package import Calibration
import Checkpoints
package import ModelLoading
import Quantization
import TensorCore

extension FlipMerge {
    /// Additions and multiplications of flipping weights of a plan, roughly: of the forward pass, of the moments, and of what they
    /// are multiplied with as often as flips are tried mostly; a step of a code is little beside them.
    package static func operationCount(_ plan: MergePlan, names: Set<String>, _ samples: CalibrationSamples) -> Double {
        let tokens = Double(samples.tokenCount), heldOut = Double(samples.heldOutCount)
        return plan.items.reduce(0) { sum, item in
            guard names.contains(item.name), let dimensions = item.tensor.quantized?.state.shape.dimensions, dimensions.count >= 2 else {
                return sum
            }
            let rows = dimensions.dropLast().reduce(1) { $0 * Double($1) }, columns = Double(dimensions[dimensions.count - 1])
            return sum + rows * columns * (2 * tokens + trialCount * (2 * columns + 4 * heldOut)) + tokens * columns * columns
        }
    }

    private static let trialCount = 2.0

    /// Bytes that calibrating and flipping take at most.
    package static func memory(_ plan: MergePlan, _ model: LayeredModel, _ samples: CalibrationSamples) -> Int {
        let widest = plan.items.compactMap { $0.tensor.quantized?.state.shape.dimensions.last }.max() ?? 0
        let codes = plan.items.compactMap { $0.tensor.quantized?.state.packedByteCount }.max() ?? 0
        let (full, overflows) = widest.multipliedReportingOverflow(by: 4 * widest)
        let (sum, isTooMuch) = CalibrationMemory(model, samples).total.addingReportingOverflow(full)
        return overflows || isTooMuch ? .max : sum + codes
    }
}
