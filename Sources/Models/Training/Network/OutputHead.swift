import CKernels
import Parallelism
import Records
import Transformer

/// The last norm, the logits, and the loss, only at positions whose prediction counts.
///
///     M  such positions      C  width      V  vocabulary
///
/// Logits are made and turned into their gradient a few rows at a time: all of them together would take more memory than
/// the rest of a small model.
struct OutputHead {
    let norm: NormLayer
    let weight: BaseWeight
    let bias: VectorParameter?
    /// What logits are multiplied by, bias included.
    let scale: Float
    /// c, where logits z become c tanh(z / c).
    let cap: Float?
    /// From C to the width of the head, [E]; nil where that is the same.
    var projection: BaseWeight?

    /// Floats of logits that are there at a time.
    private static let logitLimit = 1 << 23

    /// Rows of logits at a time.
    func rowLimit(positions: Int) -> Int { max(1, min(positions, Self.logitLimit / weight.outputCount)) }

    /// Floats of `scratch` for so many positions: hidden states, normed ones, projected ones, gradients of each, statistics, logits.
    func scratchCount(positions: Int) -> Int {
        (projection == nil ? 4 : 6) * positions * norm.width + 2 * positions + rowLimit(positions: positions) * weight.outputCount
    }

    /// The sum of the losses at all positions that count.
    ///
    /// - Parameters:
    ///   - x: [N, C], output of the last block
    ///   - lossWeight: what each loss counts in the gradients.
    ///   - dx: [N, C], the gradient of x; nil where none is wanted.
    ///   - labels: what takes the places of the targets that count; nil for none.
    func loss(
        _ x: UnsafePointer<Float>, _ batch: Batch, lossWeight: Float, gradient dx: UnsafeMutablePointer<Float>?,
        labels: DrawnLabels? = nil, scratch: UnsafeMutablePointer<Float>, _ context: StepContext
    ) -> Double {
        let counted = batch.targets.indices.filter { batch.targets[$0] != Batch.ignored }
        let m = counted.count, c = norm.width
        if let dx { dx.update(repeating: 0, count: batch.positionCount * c) }
        guard m > 0 else { return 0 }
        let hidden = scratch, normed = hidden + m * c, dnormed = normed + m * c, dhidden = dnormed + m * c
        let projected = projection == nil ? normed : dhidden + m * c, dprojected = projection == nil ? dnormed : projected + m * c
        let statistics = (projection == nil ? dhidden : dprojected) + m * c, logits = statistics + 2 * m, e = weight.inputCount
        for (row, n) in counted.enumerated() { (hidden + row * c).update(from: x + n * c, count: c) }
        norm.forward(hidden, rows: m, statistics: statistics, into: normed, context.engine)
        projection?.multiply(normed, rows: m, into: projected, context)
        var total = 0.0
        let limit = rowLimit(positions: m)
        for first in stride(from: 0, to: m, by: limit) {
            let rows = min(limit, m - first)
            let input = projected + first * e
            weight.multiply(input, rows: rows, into: logits, context)
            if let bias { qk_addToRows_at(qk_simd_best(), bias.values, rows, weight.outputCount, logits) }
            multiply(logits, rows: rows, context)
            var targets = counted[first..<first + rows].map { batch.targets[$0] }
            if let labels { targets = draw(labels, first..<first + rows, logits, context) }
            total += losses(logits, targets: targets, lossWeight, context)
            guard dx != nil else { continue }
            multiply(logits, rows: rows, context)
            if let dbias = bias?.gradient { qk_addRows_at(qk_simd_best(), logits, rows, weight.outputCount, weight.outputCount, dbias) }
            weight.multiplyTransposed(logits, rows: rows, into: dprojected + first * e, accumulates: false, context)
            weight.addGradient(logits, x: input, rows: rows, context)
        }
        guard let dx else { return total }
        projection?.multiplyTransposed(dprojected, rows: m, into: dnormed, accumulates: false, context)
        projection?.addGradient(dprojected, x: normed, rows: m, context)
        dhidden.update(repeating: 0, count: m * c)
        norm.backward(dnormed, x: hidden, rows: m, statistics: statistics, addingTo: dhidden, context.engine)
        for (row, n) in counted.enumerated() { (dx + n * c).update(from: dhidden + row * c, count: c) }
        return total
    }

    /// Logits, or their gradients, by the factor.
    private func multiply(_ logits: UnsafeMutablePointer<Float>, rows: Int, _ context: StepContext) {
        guard scale != 1 else { return }
        context.pool.forTiles(of: rows * weight.outputCount, size: 1 << 14) { range in
            qk_scale_at(qk_simd_best(), scale, range.count, logits + range.lowerBound)
        }
    }

    /// A label for each row of logits.
    private func draw(
        _ labels: DrawnLabels, _ predictions: Range<Int>, _ logits: UnsafePointer<Float>, _ context: StepContext
    ) -> [Int32] {
        let v = weight.outputCount
        let drawn = Disjoint<Int32>(repeating: 0, count: predictions.count)
        context.pool.forKernels(count: predictions.count) { row, _ in
            drawn[row] = labels.label(predictions.lowerBound + row, logits + row * v, count: v, cap: cap)
        }
        return drawn.values
    }

    /// The sum of the losses of some rows, whose logits become their gradients.
    private func losses(
        _ logits: UnsafeMutablePointer<Float>, targets: [Int32], _ lossWeight: Float, _ context: StepContext
    ) -> Double {
        let v = weight.outputCount
        let losses = Disjoint<Double>(repeating: 0, count: targets.count)
        context.pool.forKernels(count: targets.count) { row, _ in
            qk_crossEntropy_at(qk_simd_best(), logits + row * v, v, Int(targets[row]), lossWeight, cap ?? 0, &losses[row])
        }
        return losses.values.reduce(0, +)
    }
}
