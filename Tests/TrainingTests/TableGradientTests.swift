import Architectures
import Glibc
import Parallelism
import Testing
import Transformer

@testable import Records
@testable import Training

/// The two ends of a model, embedding and head, which share one table: its gradient beside differences in double precision.
@Suite struct TableGradientTests {
    private typealias Reference = FiniteDifferences

    private static let width = 6, vocabulary = 9
    private static let tokens: [Int32] = [3, 1, 3, 8, 0, 3, 7], lengths = [4, 3]
    private static let isLearned = [false, false, true, true, false, true, true]

    /// The sum of the losses that count, each half.
    private static func loss(_ table: [Double], _ positions: [Double], centers: Bool, scale: Double, cap: Double?) -> Double {
        var sum = 0.0
        var start = 0
        for length in lengths {
            for index in 0..<length - 1 where isLearned[start + index + 1] {
                let row = Int(tokens[start + index])
                let x = (0..<width).map { scale * table[row * width + $0] + (positions.isEmpty ? 0 : positions[index * width + $0]) }
                let products = Reference.linear(Reference.norm(x, width: width, centers: centers), table, rows: 1, out: vocabulary)
                let logits = products.map { z in cap.map { $0 * tanh(z / $0) } ?? z }
                sum += log(logits.reduce(0) { $0 + exp($1) }) - logits[Int(tokens[start + index + 1])]
            }
            start += length
        }
        return sum / 2
    }

    @Test("differentiates embedding and head", arguments: [true, false], [nil, 1.5])
    func tables(hasPositions: Bool, cap: Double?) throws {
        let scale = cap == nil ? 1 : 2.5
        func loss(_ table: [Double], _ positions: [Double]) -> Double {
            Self.loss(table, positions, centers: hasPositions, scale: scale, cap: cap)
        }
        let width = Self.width, vocabulary = Self.vocabulary
        let start = Reference.values(vocabulary * width, seed: 1), places = hasPositions ? Reference.values(16 * width, seed: 2) : []
        var tensors = [("table", [vocabulary, width], start)]
        if hasPositions { tensors.append(("positions", [16, width], places)) }
        let set = try LayerGradientTests.parameters(tensors)
        let tensor = ExpectedTensor(ModuleKey(.embedding), .weight, name: "table", dimensions: [vocabulary, width])
        let table = BaseWeight.trained(DenseWeight(set, slot: 0, of: tensor))
        let norm = NormLayer(
            Norm(hasPositions ? .layer : .rms, epsilon: 1e-5), width: width,
            weight: VectorParameter([Float](repeating: 1, count: width)), bias: nil)
        let head = OutputHead(norm: norm, weight: table, bias: nil, scale: 1, cap: cap.map { Float($0) })
        let embedding = EmbeddingLayer(
            tokens: table, positions: hasPositions ? VectorParameter(set, slot: 1) : nil, positionOffset: 0, scale: Float(scale), norm: nil)
        var first = 0
        let batch = Batch(
            Self.lengths.map { length in
                defer { first += length }
                return Sample(
                    tokens: Array(Self.tokens[first..<first + length]), isLearned: Array(Self.isLearned[first..<first + length]))
            })
        let resources = ComputeResources(pool: WorkerPool(threadCount: 2))
        let context = StepContext(resources: resources, isTraining: true, seed: 1, batchNumber: 0)
        let prepared = PreparedBatch(
            batch, try LayerGradientTests.model([]),
            workerScratch: try WorkerScratch(workerCount: 2, count: 16))
        let memory = try FloatMemory(count: head.scratchCount(positions: batch.positionCount))
        var x = [Float](repeating: 0, count: batch.positionCount * width), dx = x
        // Nothing is projected.
        let updates = UpdateMemory(u: memory.pointer, dv: memory.pointer, dropped: memory.pointer)
        embedding.forward(prepared, into: &x, scratch: memory.pointer, updates: updates, context)
        let sum = head.loss(x, batch, lossWeight: 0.5, gradient: &dx, scratch: memory.pointer, updates: updates, context)
        embedding.backward(&dx, prepared, scratch: [], updates: updates, context)
        #expect(abs(sum / 2 - loss(start, places)) < 1e-5)
        Reference.expectClose(
            LayerGradientTests.gradients(set, 0), Reference.gradient(start) { loss($0, places) }, "table")
        guard hasPositions else { return }
        Reference.expectClose(
            LayerGradientTests.gradients(set, 1), Reference.gradient(places) { loss(start, $0) }, "positions")
    }
}
