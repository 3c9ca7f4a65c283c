import CKernels
package import Parallelism

/// The length of the gradient of all parameters together.
package enum GradientNorm {
    private static let chunk = 1 << 16

    /// In double precision, partial sums added in the order of the parameters: the same for any number of threads.
    package static func norm(_ parameters: ParameterSet, pool: WorkerPool) -> Double {
        let count = parameters.gradients.count
        let chunkCount = (count + chunk - 1) / chunk
        let sums = Disjoint<Double>(repeating: 0, count: chunkCount)
        pool.forEach(count: chunkCount) { index, _ in
            let start = index * chunk
            qk_sumOfSquares_at(qk_simd_best(), parameters.gradients.pointer + start, min(chunk, count - start), &sums[index])
        }
        return sums.values.reduce(0, +).squareRoot()
    }

    /// What gradients are multiplied with so that their norm is at most `limit`, as `torch.nn.utils.clip_grad_norm_` does.
    package static func clipFactor(norm: Double, limit: Double?) -> Double {
        guard let limit else { return 1 }
        return min(1, limit / (norm + 1e-6))
    }
}
