package import Architectures
package import ByteIO
import CKernels
package import Calibration
package import Checkpoints
package import ModelLoading
import Parallelism
package import Quantization
import Records
import Tokenization
package import Training
import Transformer

/// Measures the sensitivity of all linear layers in one pass forth and back.
///
///     p     the model's predictions       y  labels drawn from them       W  a weight       Q  the same in 4 bits
///     c   = <gradient of the sum of log p(y) over a sequence of T tokens, Q - W>
///
///     divergence of W  =  mean over sequences of c^2 / 2 T
///
/// The gradient of drawn labels has the Fisher information for its second moment, so this is the divergence to second order. The
/// gradient of W itself is not made: c is the sum over tokens of dy (Q - W) x.
package struct SensitivityMeasurement {
    /// T, and how many sequences there are.
    package static let sequenceLength = 64
    package static let sequenceCount = 40
    /// Sequences of one pass.
    private static let sequencesAtOnce = 16
    private static let seed: UInt64 = 1

    private let model: LayeredModel
    private let batches: [Batch]
    private let settings: QuantizationSettings
    private let resources: ComputeResources

    /// - Throws: where the samples have no sequence of two tokens.
    package init(
        _ model: LayeredModel, on samples: CalibrationSamples, _ settings: QuantizationSettings, resources: ComputeResources
    ) throws(ModelError) {
        self.model = model
        self.settings = settings
        self.resources = resources
        let sequences = Self.sequences(of: samples)
        guard !sequences.isEmpty else { throw ModelError("the text has no two tokens that follow each other") }
        batches = stride(from: 0, to: sequences.count, by: Self.sequencesAtOnce).map { first in
            Batch(
                sequences[first..<min(first + Self.sequencesAtOnce, sequences.count)].map {
                    Sample(tokens: $0, isLearned: $0.map { _ in true })
                })
        }
    }

    /// Pieces of the windows, evenly spread over all of them; the last token of each is only predicted.
    static func sequences(of samples: CalibrationSamples) -> [[TokenID]] {
        let pieces = samples.samples.flatMap { sample in
            let length = min(sequenceLength + 1, sample.ids.count)
            guard length > 1 else { return [[TokenID]]() }
            return stride(from: 0, through: sample.ids.count - length, by: length).map { Array(sample.ids[$0..<$0 + length]) }
        }
        let count = min(sequenceCount, pieces.count)
        return (0..<count).map { pieces[(2 * $0 + 1) * pieces.count / (2 * count)] }
    }

    package var passCount: Int { batches.count }
    /// Tokens whose predictions are differentiated.
    package var tokenCount: Int { batches.reduce(0) { $0 + $1.positionCount } }
    package var sequenceCount: Int { batches.reduce(0) { $0 + $1.starts.count - 1 } }

    /// What a pass takes besides the model's weights as they are stored: states and scratch, and one weight twice in float32.
    package func byteCount(_ network: Network) -> Int {
        let largest = model.configuration.linearWeights.reduce(0) { max($0, $1.sizes.inputs * $1.sizes.outputs) }
        let outputs = model.configuration.linearWeights.reduce(0) { max($0, $1.sizes.outputs) }
        let buffers = TrainableModel.bufferByteCount(
            network, positionLimit: positionLimit, longestSample: longest, recomputes: true, workerCount: resources.pool.threadCount)
        return buffers + 4 * positionLimit * outputs + 9 * largest
    }

    private var positionLimit: Int { batches.map(\.positionCount).max() ?? 0 }
    private var longest: Int { batches.map(\.longestSampleCount).max() ?? 0 }

    /// The layers of the model, for an estimate.
    package func network(_ loaded: LoadedModel) throws(FileError) -> Network { try Network(loaded, tuning: .none) }

    /// - Parameters:
    ///   - loaded: the model that is differentiated.
    ///   - wanted: weights that are measured, by name.
    ///   - quantized: what they become.
    ///   - progress: told of each pass.
    package func run(
        _ loaded: LoadedModel, wanted: (String) -> Bool, quantized: @escaping (LogicalTensor, _ elements: [Float]) throws -> FourBitWeight,
        progress: () -> Void = {}
    ) throws -> Sensitivity {
        let weights = model.configuration.linearWeights.compactMap { expected -> (ExpectedTensor, LogicalTensor)? in
            let tensor = model.weight(ofModule: expected.module)
            return wanted(tensor.name) ? (expected, tensor) : nil
        }
        let differences = WeightDifferences(
            model.checkpoint, Dictionary(weights.map { ($0.0.module, $0.1) }) { first, _ in first }, settings, quantized, resources.engine)
        let observer = GradientObserver { differences.add($0, $1, $2, rows: $3) }
        let network = try Network(loaded, tuning: .none, observer: observer)
        let trainable = try TrainableModel(
            network, positionLimit: positionLimit, longestSample: longest, recomputes: true, resources: resources)
        for (number, batch) in batches.enumerated() {
            differences.starts = batch.starts
            let loss = trainable.differentiateDrawnLabels(batch, seed: Self.seed, batchNumber: number)
            if let error = differences.error { throw error }
            guard loss.sum.isFinite else {
                throw FileError(
                    model.checkpoint.path, "its predictions are no finite numbers on this text", hint: ModelError.damageHint)
            }
            progress()
        }
        let count = Double(sequenceCount)
        return try Sensitivity(
            weights.map { expected, tensor in
                let sum = differences.sums[expected.module] ?? 0
                guard sum.isFinite else {
                    throw FileError(
                        model.checkpoint.path, at: "tensor '\(tensor.name)'", "its gradient is not finite on this text",
                        hint: ModelError.damageHint)
                }
                return Sensitivity.Row(
                    name: tensor.name, layer: expected.key.layer ?? 0, kind: "\(expected.key.role)", elementCount: tensor.elementCount,
                    measured: sum / count)
            })
    }
}

/// Adds up c^2 / 2 T of all layers while they are shown.
private final class WeightDifferences {
    private let checkpoint: Checkpoint
    /// By module.
    private let weights: [String: LogicalTensor]
    private let settings: QuantizationSettings
    private let quantized: (LogicalTensor, [Float]) throws -> FourBitWeight
    private let engine: MatrixEngine
    /// Where each sequence of the batch begins, and where the last one ends.
    var starts: [Int] = []
    /// By module.
    private(set) var sums: [String: Double] = [:]
    /// The first one; what follows is not done.
    private(set) var error: (any Error)?

    init(
        _ checkpoint: Checkpoint, _ weights: [String: LogicalTensor], _ settings: QuantizationSettings,
        _ quantized: @escaping (LogicalTensor, [Float]) throws -> FourBitWeight, _ engine: MatrixEngine
    ) {
        self.checkpoint = checkpoint
        self.weights = weights
        self.settings = settings
        self.quantized = quantized
        self.engine = engine
    }

    func add(_ module: String, _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, rows: Int) {
        guard error == nil, let tensor = weights[module] else { return }
        do { try add(module, tensor, x, dy, rows: rows) } catch { self.error = error }
    }

    private func add(
        _ module: String, _ tensor: LogicalTensor, _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, rows: Int
    ) throws {
        let reader = try checkpoint.reader(of: tensor, order: .outputsByInputs)
        let columns = reader.columns, outputs = tensor.elementCount / columns
        let elements = try reader.allElements()
        let difference = UnsafeMutableBufferPointer<Float>.allocate(capacity: elements.count)
        defer { difference.deallocate() }
        try quantized(tensor, elements).dequantize(settings, into: difference)
        elements.withUnsafeBufferPointer {
            qk_subtract_at(engine.level, difference.baseAddress, $0.baseAddress, elements.count, difference.baseAddress)
        }
        let errors = UnsafeMutableBufferPointer<Float>.allocate(capacity: rows * outputs)
        defer { errors.deallocate() }
        engine.product(
            UnsafeBufferPointer(start: x, count: rows * columns), UnsafeBufferPointer(difference), transposesB: true, m: rows, n: outputs,
            k: columns, into: errors)
        let starts = starts, found = Disjoint<Double>(repeating: 0, count: starts.count - 1)
        engine.pool.forKernels(count: starts.count - 1) { number, _ in
            let first = starts[number] * outputs, count = (starts[number + 1] - starts[number]) * outputs
            guard let error = errors.baseAddress.map({ $0 + first }) else { return }
            let gradient = dy + first
            var sum = 0.0
            for i in 0..<count { sum += Double(gradient[i]) * Double(error[i]) }
            found[number] = sum * sum / (2 * Double(starts[number + 1] - starts[number]))
        }
        sums[module, default: 0] += found.values.reduce(0, +)
    }
}
