import Architectures
package import ByteIO
import Checkpoints
package import ModelLoading
package import Quantization
import Training
import Transformer

/// What a distillation takes, before any of it is taken.
package struct DistillationCost: Sendable, Hashable {
    /// Both models as they are stored, mapped: where there is no room for them, they are read again for each step.
    package let weights: Int
    /// What is tuned, the best of it, gradients and moments.
    package let training: Int
    /// States and scratch of a step.
    package let activations: Int
    /// Whether activations are made again on the way back instead of kept.
    package let recomputes: Bool
    /// Multiplications and additions of all steps and evaluations.
    package let operationCount: Double

    /// What has to be there in any case.
    package var total: Int { training + activations + Self.program }
    private static let program = 64 << 20
}

extension Distillation {
    /// - Parameters:
    ///   - teacher: the model before it is quantized.
    ///   - limit: bytes that there are; where they do not do for all activations, these are made again on the way back.
    package func cost(
        of teacher: LoadedModel, _ settings: QuantizationSettings, studentByteCount: Int, limit: Int, threadCount: Int
    ) throws(FileError) -> DistillationCost {
        let network = try Network(teacher, tuning: .none), model = teacher.configuration
        let linears = model.linearWeights.map(\.sizes), elements = linears.reduce(0) { $0 + $1.inputs * $1.outputs }
        let blocks = linears.reduce(0) { $0 + ($1.inputs * $1.outputs - 1) / settings.blockSize + 1 }
        let norms = model.expectedTensors.filter(\.key.role.isNorm).reduce(0) { $0 + $1.dimensions.reduce(1, *) }
        let tile = linears.map { ScaledWeight.tileElementCount(outputs: $0.outputs, inputs: $0.inputs, settings.blockSize) }.max() ?? 0
        // Values, the best of them, gradients, two moments; of constants also what they were and what they are.
        let training = 4 * (5 * norms + 7 * blocks + tile)
        func activations(_ recomputes: Bool) -> Int {
            TrainableModel.bufferByteCount(
                network, teacher: network, positionLimit: positionLimit, longestSample: longest, recomputes: recomputes,
                workerCount: threadCount)
        }
        let recomputes = training + activations(false) > limit
        let head = Double(model.vocabularySize * model.embeddingWidth), linear = Double(elements)
        // Teacher, student, gradients of inputs and of weights; the head has none of the last.
        let learned = 2 * Double(tokenCount) * ((recomputes ? 5 : 4) * linear + 3 * head)
        let judged = 2 * Double(heldOutCount * (evaluationCount + 1)) * (2 * linear + 2 * head)
        return DistillationCost(
            weights: teacher.checkpoint.storedByteCount + studentByteCount, training: training, activations: activations(recomputes),
            recomputes: recomputes, operationCount: learned + judged)
    }

    /// Evaluations of all steps, that before the first one included; one more follows of what is stored.
    private var evaluationCount: Int { 1 + (stepCount + evaluationInterval - 1) / evaluationInterval }
}
