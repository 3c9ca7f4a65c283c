import Architectures
import CKernels
import Checkpoints
import Glibc
import ModelLoading
import Parallelism
import TensorCore
import TestSupport
import Testing

@testable import Records
@testable import Training

/// Constants of 4-bit weights, and predictions of another model: gradients beside differences.
@Suite struct ScaledGradientTests {
    private let pool = WorkerPool(threadCount: 2)

    /// Against the formula in double precision, logits as large as models have them, too.
    @Test("differentiates divergences", arguments: [nil, 3.0], [1.0, 20.0])
    func divergences(cap: Double?, scale: Double) {
        let count = 37, weight = 0.25
        let logits = FiniteDifferences.values(count, seed: 1, scale: scale), wanted = FiniteDifferences.values(count, seed: 2, scale: scale)
        func logProbabilities(_ z: [Double]) -> [Double] {
            let capped = z.map { z in cap.map { $0 * tanh(z / $0) } ?? z }
            let sum = log(capped.reduce(0) { $0 + exp($1) })
            return capped.map { $0 - sum }
        }
        let p = logProbabilities(wanted)
        func divergence(_ z: [Double]) -> Double { zip(p, logProbabilities(z)).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) } }
        var row = logits.map { Float($0) }, other = wanted.map { Float($0) }, found = 0.0
        qk_divergence_at(qk_simd_best(), &row, &other, count, Float(weight), Float(cap ?? 0), &found)
        #expect(abs(found - divergence(logits)) <= 1e-6 * max(1, divergence(logits)))
        FiniteDifferences.expectClose(row, FiniteDifferences.gradient(logits) { weight * divergence($0) }, "gradient", tolerance: 2e-5)
        // Of a model from itself there is none.
        var same = wanted.map { Float($0) }, again = same
        qk_divergence_at(qk_simd_best(), &same, &again, count, 1, Float(cap ?? 0), &found)
        #expect(abs(found) < 1e-9 && same.allSatisfy { abs($0) < 1e-6 })
    }

    /// Each element by itself; a last block that is not full, and a piece that begins inside.
    @Test func sumsGradientsOverBlocks() {
        let map = (0..<16).map { Float($0) - 7.5 }, blockSize = 32, count = 3 * blockSize + 13
        var random = SeededGenerator(seed: 3)
        let packed = random.bytes((count + 1) / 2), gradients = random.floats(count), scales = random.floats(4)
        var sums: [Float] = [1, 2, 3, 4]
        qk_scaleGradients(map, packed, 0, blockSize, blockSize, gradients, scales, &sums)
        sums.withUnsafeMutableBufferPointer { sums in
            gradients.withUnsafeBufferPointer { gradients in
                scales.withUnsafeBufferPointer { scales in
                    guard let s = sums.baseAddress, let g = gradients.baseAddress, let c = scales.baseAddress else { return }
                    qk_scaleGradients(map, packed, blockSize, count - blockSize, blockSize, g + blockSize, c + 1, s + 1)
                }
            }
        }
        for block in 0..<4 {
            let elements = block * blockSize..<min((block + 1) * blockSize, count)
            let sum = elements.reduce(0.0) { sum, i in
                let code = i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2] & 15
                return sum + Double(gradients[i]) * Double(map[Int(code)])
            }
            #expect(abs(Double(sums[block]) - (Double(block + 1) + Double(scales[block]) * sum)) < 1e-4)
        }
    }

    /// A 4-bit model that learns from the model it was made of.
    private func taught(threads: Int = 2, recomputes: Bool = false) throws -> (TrainableModel, Batch) {
        let student = try LoadedModel(try Checkpoint.open(Fixture.sample("llama-bnb4")))
        let teacher = try LoadedModel(try Checkpoint.open(Fixture.sample("llama-hf")))
        let batch = Batch(
            [33, 20].enumerated().map { number, count in
                let tokens = (0..<count).map { Int32(($0 * 37 + number * 11 + $0 * $0 * 5) % 1000) }
                return Sample(tokens: tokens, isLearned: tokens.map { _ in true })
            })
        let model = try TrainableModel(
            Network(student, tuning: .constants(normRate: 0.5)), teacher: Network(teacher, tuning: .none), positionLimit: 51,
            longestSample: 32, recomputes: recomputes, resources: ComputeResources(pool: WorkerPool(threadCount: threads)))
        return (model, batch)
    }

    /// In a random direction of all parameters of a kind, the loss moves as the gradient says.
    @Test(arguments: ["factors", "norm"])
    func lossMovesAsTheGradientSays(kind: String) throws {
        let (model, batch) = try taught(), parameters = model.parameters
        let isFactor = { (name: String) in name.hasSuffix(".absmax.factors") }
        #expect(parameters.slots.count == 28 + 9 && parameters.slots.count { isFactor($0.name) } == 28)
        let slots = parameters.slots.indices.filter { isFactor(parameters.slots[$0].name) == (kind == "factors") }
        parameters.clearGradients()
        let loss = try model.accumulate(batch, lossWeight: 1, seed: 1, batchNumber: 0)
        #expect(loss.count == 51 && loss.sum > 0.01 && loss.sum.isFinite)
        // Uphill, so that there is something to measure: a random direction is almost at right angles.
        let direction = slots.map { slot in (0..<parameters.slots[slot].count).map { parameters.gradient(slot)[$0] } }
        let length = direction.joined().reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot(), step = 0.02
        let start = slots.map { parameters.array($0) }
        func evaluate(_ sign: Double) throws -> Double {
            for (number, slot) in slots.enumerated() {
                let values = zip(start[number], direction[number]).map { Float(Double($0) + sign * step * Double($1) / length) }
                parameters.value(slot).update(from: values, count: values.count)
            }
            return try model.evaluate(batch).sum
        }
        let slope = (try evaluate(1) - evaluate(-1)) / (2 * step)
        #expect(abs(slope / length - 1) < 0.01, "\(kind): \(slope), \(length)")
    }

    @Test func isTheSameForAnyThreadsAndWhereActivationsAreMadeAgain() throws {
        func gradients(_ threads: Int, _ recomputes: Bool) throws -> [Float] {
            let (model, batch) = try taught(threads: threads, recomputes: recomputes)
            _ = try model.accumulate(batch, lossWeight: 0.5, seed: 1, batchNumber: 0)
            return Array(model.parameters.gradients.buffer)
        }
        let one = try gradients(1, false)
        #expect(try gradients(3, false) == one && gradients(2, true) == one)
    }

    /// Nothing is to be learned of a model that it is itself.
    @Test func isNoDivergenceFromItself() throws {
        let loaded = try LoadedModel(try Checkpoint.open(Fixture.sample("llama-hf")))
        let network = try Network(loaded, tuning: .none)
        let model = try TrainableModel(
            network, teacher: network, positionLimit: 9, longestSample: 9, recomputes: false, resources: ComputeResources(pool: pool))
        let tokens: [Int32] = [1, 5, 9, 2, 7, 300, 20, 11, 4, 6]
        let loss = try model.evaluate(Batch([Sample(tokens: tokens, isLearned: tokens.map { _ in true })]))
        #expect(loss.count == 9 && abs(loss.sum) < 1e-9)
    }

    /// A share of the learning rate is a learning rate of its own.
    @Test(arguments: [OptimizerSettings.Kind.adamw, .adamw8bit, .sgd])
    func sharesOfTheLearningRateAreTaken(kind: OptimizerSettings.Kind) throws {
        func run(_ counts: [Int], _ shares: [Double], rate: Double) throws -> [[Float]] {
            let parameters = try ParameterSet(
                counts.enumerated().map { (name: "\($0)", shape: try #require(Shape([$1]))) }, rates: shares)
            let optimizer = try Optimizer(OptimizerSettings(kind: kind), parameterCount: parameters.values.count, folder: "/tmp")
            for _ in 0..<3 {
                for slot in counts.indices {
                    for i in 0..<counts[slot] { parameters.gradient(slot)[i] = Float(i % 7) - 2.5 + parameters.value(slot)[i] }
                }
                try optimizer.step(parameters, learningRate: rate, gradientScale: 1, pool: pool)
            }
            return counts.indices.map { parameters.array($0) }
        }
        let both = try run([300, 20, 70_000], [1, 1, 0.25], rate: 0.01)
        #expect(try both[0] == run([300], [1], rate: 0.01)[0])
        #expect(try both[2] == run([70_000], [1], rate: 0.0025)[0])
        let set = try ParameterSet([("a", try #require(Shape([3]))), ("b", try #require(Shape([5])))], rates: [1, 2])
        #expect(set.rates.map(\.range) == [0..<256, 256..<272] && set.slots.map(\.offset) == [0, 256])
    }
}
