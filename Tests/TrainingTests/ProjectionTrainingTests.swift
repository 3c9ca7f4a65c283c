import Adapters
import ByteIO
import Checkpoints
import ModelLoading
import Parallelism
import TensorCore
import TestSupport
import Testing
import Transformer

@testable import Records
@testable import Training

/// LoRA beside what projects an embedding to the width of the model, and back for the head (OPT 350M). PEFT's all-linear takes them, too.
@Suite struct ProjectionTrainingTests {
    private static let path = Fixture.family("opt-sums")
    private static let projections = ["model.decoder.project_in", "model.decoder.project_out"]

    private static func ids(_ reference: [String: StoredTensor]) throws -> [Int32] {
        try #require(reference["ids"]).bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / 8).map { Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
        }
    }

    private static func model(_ targets: [String], dropout: Double = 0, recomputes: Bool = false) throws -> (LoadedModel, TrainableModel) {
        let loaded = try LoadedModel(Checkpoint.open(path))
        let settings = LowRankSettings(rank: 3, alpha: 6, dropout: dropout) { module in targets.contains { module.hasSuffix("." + $0) } }
        let network = try NetworkBuilder.build(loaded.configuration, loaded.weights, tuning: .lowRank(settings, seed: 2))
        let model = try TrainableModel(
            network, positionLimit: 32, longestSample: 32, recomputes: recomputes,
            resources: ComputeResources(pool: WorkerPool(threadCount: 2)))
        return (loaded, model)
    }

    @Test func theyAreLinearLayersAsAnyOther() throws {
        let loaded = try LoadedModel(Checkpoint.open(Self.path))
        let network = try NetworkBuilder.build(
            loaded.configuration, loaded.weights, tuning: .lowRank(LowRankSettings(rank: 1, alpha: 1), seed: 2))
        #expect(network.parameters.slots.count == 2 * (2 * 6 + 2))
        #expect(network.parameters.slots.suffix(4).map(\.shape.dimensions) == [[1, 24], [32, 1], [1, 32], [24, 1]])
    }

    /// Where B is 0, dL/dB = s dW A^T and dL/dA = 0.
    @Test(arguments: [["project_in"], ["project_out"], ["project_in", "project_out", "fc1"]], [false, true])
    func gradientsAtTheStartAreThoseOfTheWeights(_ targets: [String], recomputes: Bool) throws {
        let reference = try storedTensors(at: Self.path + "/reference.safetensors"), ids = try Self.ids(reference)
        let (_, model) = try Self.model(targets, recomputes: recomputes)
        let batch = Batch([Sample(tokens: ids, isLearned: ids.map { _ in true })])
        _ = try model.accumulate(batch, lossWeight: 1 / Double(batch.learnedCount), seed: 1, batchNumber: 0)
        #expect(model.tunedModules.count == (targets.count == 1 ? 1 : 4))
        for (slot, factor) in model.parameters.slots.enumerated() where factor.name.hasSuffix(".lora_B.weight") {
            let module = factor.name.dropFirst("base_model.model.".count).dropLast(".lora_B.weight".count)
            let dweight = try #require(reference["grad.\(module).weight"]).floats, a = model.parameters.array(slot - 1)
            let inputs = a.count / 3, outputs = factor.count / 3
            var worst: Float = 0, size: Float = 0
            for output in 0..<outputs {
                for number in 0..<3 {
                    let wanted = 2 * (0..<inputs).reduce(Float(0)) { $0 + dweight[output * inputs + $1] * a[number * inputs + $1] }
                    worst = max(worst, abs(wanted - model.parameters.gradient(slot)[3 * output + number]))
                    size = max(size, abs(wanted))
                }
            }
            #expect(worst <= 2e-5 * size && size > 0, "\(factor.name)")
            #expect((0..<a.count).allSatisfy { model.parameters.gradient(slot - 1)[$0] == 0 })
        }
    }

    /// Away from the start: along its gradient the loss rises by the gradient's length. With dropout, too, of which a seed decides.
    @Test(arguments: [["project_in"], ["project_out"], ["project_in", "project_out", "fc1"]], [0, 0.3])
    func theLossRisesAlongTheGradient(_ targets: [String], dropout: Double) throws {
        let ids = try Self.ids(storedTensors(at: Self.path + "/reference.safetensors"))
        let (_, model) = try Self.model(targets, dropout: dropout)
        let batch = Batch([Sample(tokens: ids, isLearned: ids.map { _ in true })])
        var random = SeededGenerator(seed: 4)
        let count = model.parameters.values.buffer.count
        let start = random.floats(count, -0.2...0.2)
        /// The loss at the start moved along a direction; the gradient is that of this place.
        func loss(_ direction: [Float]?, _ step: Float) throws -> Double {
            for index in 0..<count {
                model.parameters.values.buffer[index] = start[index] + step * (direction?[index] ?? 0)
                model.parameters.gradients.buffer[index] = 0
            }
            let loss = try model.accumulate(batch, lossWeight: 1 / Double(batch.learnedCount), seed: 1, batchNumber: 0)
            return loss.sum / Double(loss.count)
        }
        _ = try loss(nil, 0)
        let gradient = Array(model.parameters.gradients.buffer)
        let length = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        let step = 0.02 / length
        let slope = try (loss(gradient, Float(step / length)) - loss(gradient, Float(-step / length))) / (2 * step)
        #expect(abs(slope - length) <= 0.01 * length, "\(slope) for \(length)")
    }

    @Test func whatIsWrittenIsWhatWasTrained() throws {
        let ids = try Self.ids(storedTensors(at: Self.path + "/reference.safetensors")), folder = try TemporaryFolder()
        let (loaded, model) = try Self.model(["project_in", "project_out", "q_proj"])
        var random = SeededGenerator(seed: 5)
        for (index, value) in random.floats(model.parameters.values.buffer.count, -0.3...0.3).enumerated() {
            model.parameters.values.buffer[index] = value
        }
        let output = try AtomicOutput(destination: folder.path("out.lora"), replaces: false)
        try AdapterOutput.write(
            model, to: output, baseFingerprint: "sha256:" + String(repeating: "0", count: 64), baseName: "base", tool: "test")
        let adapter = try Adapter.open(folder.path("out.lora"))
        #expect(adapter.configuration.targetModules == ["project_in", "project_out", "q_proj"])
        let engine = MatrixEngine(pool: WorkerPool(threadCount: 2))
        func logits(_ weights: ModelWeights) throws -> [Float] {
            let session = InferenceSession(loaded.configuration, weights, engine: engine, contextLength: 32, cacheType: .f32)
            return try session.append(ids)
        }
        let trained = try logits(model.tunedWeights(of: loaded.weights))
        #expect(try logits(loaded.weights(with: [(adapter, 1)], engine: engine)) == trained)
        #expect(try logits(loaded.weights) != trained)
        let (_, second) = try Self.model(["project_in", "project_out", "q_proj"])
        try second.start(from: adapter)
        for slot in model.parameters.slots.indices { #expect(second.parameters.array(slot) == model.parameters.array(slot)) }
    }
}
