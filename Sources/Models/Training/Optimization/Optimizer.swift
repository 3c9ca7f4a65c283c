package import ByteIO
import CKernels
package import Parallelism
import Platform
import Quantization

/// Changes parameters by their gradients. Every element is dealt with alone (8-bit moments: every block), so that the
/// bytes are the same for any number of threads.
package final class Optimizer {
    /// A part of the state as checkpoints keep it.
    package struct StateTensor {
        package let name: String
        package let bytes: UnsafeMutableRawBufferPointer
        /// Floats, or bytes where the moments have 8 bits.
        package let isFloat: Bool
    }

    package let settings: OptimizerSettings
    /// Steps taken so far; a resumed run sets it.
    package var stepCount = 0
    private let moments: Moments

    private enum Moments {
        case none
        case floats(FloatMemory, FloatMemory)
        case codes(CodedMoments)

        var isCoded: Bool { if case .codes = self { true } else { false } }
    }

    /// Elements that a worker deals with at a time; a multiple of the block of 8-bit moments.
    private static let chunk = 1 << 16

    /// - Parameter folder: where paged moments lie.
    package init(_ settings: OptimizerSettings, parameterCount: Int, folder: String) throws(FileError) {
        self.settings = settings
        switch settings.kind {
        case .sgd: moments = .none
        case .adamw: moments = .floats(try FloatMemory(count: parameterCount), try FloatMemory(count: parameterCount))
        case .pagedAdamW:
            moments = .floats(
                try FloatMemory(count: parameterCount, pagedIn: folder), try FloatMemory(count: parameterCount, pagedIn: folder))
        case .adamw8bit: moments = .codes(try CodedMoments(count: parameterCount))
        }
    }

    /// What a checkpoint must keep beside `stepCount`.
    package var state: [StateTensor] {
        switch moments {
        case .none: []
        case .floats(let first, let second):
            [
                StateTensor(name: "optimizer.moments1", bytes: first.bytes, isFloat: true),
                StateTensor(name: "optimizer.moments2", bytes: second.bytes, isFloat: true),
            ]
        case .codes(let coded): coded.state
        }
    }

    /// One step. Gradients are multiplied by `gradientScale` on the way: the factor of clipping.
    package func step(_ parameters: ParameterSet, learningRate: Double, gradientScale: Double, pool: WorkerPool) throws {
        stepCount += 1
        let scratch = try FloatMemory(count: moments.isCoded ? 2 * Self.chunk * pool.threadCount : 0)
        for (range, share) in parameters.rates {
            step(parameters, range, learningRate: share * learningRate, gradientScale: gradientScale, scratch, pool: pool)
        }
    }

    /// The elements `all`, which begin at a block of 8-bit moments.
    private func step(
        _ parameters: ParameterSet, _ all: Range<Int>, learningRate: Double, gradientScale: Double, _ scratch: FloatMemory,
        pool: WorkerPool
    ) {
        let decay = Float(1 - learningRate * settings.weightDecay)
        let constants = adamW(decay: decay, learningRate: learningRate, gradientScale: gradientScale)
        pool.forKernels(count: (all.count + Self.chunk - 1) / Self.chunk) { index, worker in
            let first = all.lowerBound + index * Self.chunk, range = first..<min(first + Self.chunk, all.upperBound)
            let gradients = parameters.gradients.pointer + range.lowerBound, values = parameters.values.pointer + range.lowerBound
            switch moments {
            case .none: qk_sgd_step_at(qk_simd_best(), decay, Float(learningRate), Float(gradientScale), gradients, range.count, values)
            case .floats(let first, let second):
                qk_adamw_step_at(
                    qk_simd_best(), constants, gradients, range.count, first.pointer + range.lowerBound, second.pointer + range.lowerBound,
                    values)
            case .codes(let coded):
                let first = scratch.pointer + 2 * Self.chunk * worker, second = first + Self.chunk
                coded.decode(range, first, second)
                qk_adamw_step_at(qk_simd_best(), constants, gradients, range.count, first, second, values)
                coded.encode(range, first, second)
            }
        }
    }

    private func adamW(decay: Float, learningRate: Double, gradientScale: Double) -> qk_adamw {
        let steps = Double(stepCount)
        return qk_adamw(
            decay: decay, gain1: Float(1 - settings.beta1), keep2: Float(settings.beta2), gain2: Float(1 - settings.beta2),
            stepSize: Float(learningRate / (1 - pow(settings.beta1, steps))),
            correction2: Float((1 - pow(settings.beta2, steps)).squareRoot()), epsilon: Float(settings.epsilon),
            gradientScale: Float(gradientScale))
    }
}
