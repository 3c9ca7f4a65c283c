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
    /// Beside the projection, where LoRA tunes it.
    var update: LowRankBranch?

    /// Floats of logits that are there at a time.
    private static let logitLimit = 1 << 23

    /// Rows of logits at a time.
    func rowLimit(positions: Int) -> Int { max(1, min(positions, Self.logitLimit / weight.outputCount)) }

    /// Floats of `scratch` for so many positions: hidden states, normed ones, projected ones, gradients of each, statistics, logits.
    func scratchCount(positions: Int) -> Int {
        (projection == nil ? 4 : 6) * positions * norm.width + 2 * positions + rowLimit(positions: positions) * weight.outputCount
    }

    /// Parts of `scratch` for so many positions that count.
    struct Parts {
        /// States, normed ones, and the gradients of these, [M, C] each.
        let hidden, normed, dnormed, dhidden: UnsafeMutablePointer<Float>
        /// What the logits are products of, [M, E], and its gradient: of a head without a projection the normed states.
        let projected, dprojected: UnsafeMutablePointer<Float>
        /// [2, M]
        let statistics: UnsafeMutablePointer<Float>
        /// [rows at a time, V]
        let logits: UnsafeMutablePointer<Float>
    }

    func parts(_ scratch: UnsafeMutablePointer<Float>, count m: Int) -> Parts {
        let part = m * norm.width, dhidden = scratch + 3 * part
        let projected = projection == nil ? scratch + part : dhidden + part
        let dprojected = projection == nil ? scratch + 2 * part : projected + part
        let statistics = (projection == nil ? dhidden : dprojected) + part
        return Parts(
            hidden: scratch, normed: scratch + part, dnormed: scratch + 2 * part, dhidden: dhidden, projected: projected,
            dprojected: dprojected, statistics: statistics, logits: statistics + 2 * m)
    }

    /// Norms and projects the states of some positions.
    ///
    /// - Parameter x: [N, C]
    func project(_ x: UnsafePointer<Float>, _ counted: [Int], scratch: UnsafeMutablePointer<Float>, _ context: StepContext) {
        let m = counted.count, c = norm.width, parts = parts(scratch, count: m)
        for (row, n) in counted.enumerated() { (parts.hidden + row * c).update(from: x + n * c, count: c) }
        norm.forward(parts.hidden, rows: m, statistics: parts.statistics, into: parts.normed, context.engine)
        projection?.multiply(parts.normed, rows: m, into: parts.projected, context)
    }

    /// Logits [rows, V] of projected states, scaled.
    func score(_ input: UnsafePointer<Float>, rows: Int, into logits: UnsafeMutablePointer<Float>, _ context: StepContext) {
        weight.multiply(input, rows: rows, into: logits, context)
        if let bias { qk_addToRows_at(qk_simd_best(), bias.values, rows, weight.outputCount, logits) }
        multiply(logits, rows: rows, context)
    }

    /// The sum of the losses at all positions that count.
    ///
    /// - Parameters:
    ///   - x: [N, C], output of the last block
    ///   - lossWeight: what each loss counts in the gradients.
    ///   - dx: [N, C], the gradient of x; nil where none is wanted.
    ///   - labels: what takes the places of the targets that count; nil for none.
    ///   - teacher: whose predictions take their places: the losses are divergences then; nil for none.
    ///   - updates: used only where the projection is tuned.
    func loss(
        _ x: UnsafePointer<Float>, _ batch: Batch, lossWeight: Float, gradient dx: UnsafeMutablePointer<Float>?,
        labels: DrawnLabels? = nil, teacher: Teacher? = nil, scratch: UnsafeMutablePointer<Float>, updates: UpdateMemory,
        _ context: StepContext
    ) -> Double {
        let counted = batch.targets.indices.filter { batch.targets[$0] != Batch.ignored }
        let m = counted.count, c = norm.width
        if let dx { dx.update(repeating: 0, count: batch.positionCount * c) }
        guard m > 0 else { return 0 }
        let parts = parts(scratch, count: m), logits = parts.logits, e = weight.inputCount
        project(x, counted, scratch: scratch, context)
        update?.forward(parts.normed, rows: m, u: updates.u, addingTo: parts.projected, scratch: updates.dropped, context)
        teacher?.prepare(counted, context)
        var total = 0.0
        let limit = rowLimit(positions: m)
        for first in stride(from: 0, to: m, by: limit) {
            let rows = min(limit, m - first)
            let input = parts.projected + first * e
            score(input, rows: rows, into: logits, context)
            if let teacher {
                let wanted = teacher.logits(of: first..<first + rows, outOf: m, context)
                total += divergences(logits, wanted, rows: rows, lossWeight, context)
            } else {
                var targets = counted[first..<first + rows].map { batch.targets[$0] }
                if let labels { targets = draw(labels, first..<first + rows, logits, context) }
                total += losses(logits, targets: targets, lossWeight, context)
            }
            guard dx != nil else { continue }
            multiply(logits, rows: rows, context)
            if let dbias = bias?.gradient { qk_addRows_at(qk_simd_best(), logits, rows, weight.outputCount, weight.outputCount, dbias) }
            weight.multiplyTransposed(logits, rows: rows, into: parts.dprojected + first * e, accumulates: false, context)
            weight.addGradient(logits, x: input, rows: rows, context)
        }
        guard let dx else { return total }
        projection?.multiplyTransposed(parts.dprojected, rows: m, into: parts.dnormed, accumulates: false, context)
        projection?.addGradient(parts.dprojected, x: parts.normed, rows: m, context)
        update?.backward(
            parts.dprojected, x: parts.normed, u: updates.u, rows: m, addingTo: parts.dnormed, dv: updates.dv, scratch: updates.dropped,
            context)
        parts.dhidden.update(repeating: 0, count: m * c)
        norm.backward(parts.dnormed, x: parts.hidden, rows: m, statistics: parts.statistics, addingTo: parts.dhidden, context.engine)
        for (row, n) in counted.enumerated() { (dx + n * c).update(from: parts.dhidden + row * c, count: c) }
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

    /// The sum of the divergences of some rows from those of the teacher, which are overwritten; the logits become their gradients.
    private func divergences(
        _ logits: UnsafeMutablePointer<Float>, _ wanted: UnsafeMutablePointer<Float>, rows: Int, _ lossWeight: Float,
        _ context: StepContext
    ) -> Double {
        let v = weight.outputCount
        let found = Disjoint<Double>(repeating: 0, count: rows)
        context.pool.forKernels(count: rows) { row, _ in
            qk_divergence_at(qk_simd_best(), logits + row * v, wanted + row * v, v, lossWeight, cap ?? 0, &found[row])
        }
        return found.values.reduce(0, +)
    }
}
