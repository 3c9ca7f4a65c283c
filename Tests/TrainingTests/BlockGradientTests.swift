import Architectures
import Parallelism
import TensorCore
import Testing
import Transformer

@testable import Records
@testable import Training

/// Output and gradients of whole layers of every kind, beside the same in double precision and differences of it.
@Suite struct BlockGradientTests {
    private typealias Reference = FiniteDifferences

    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let layer: LayerDescription

        init(_ name: String, _ layer: LayerDescription) {
            testDescription = name
            self.layer = layer
        }
    }

    private static let rotary = RotaryEmbedding(theta: 100)
    private static let rms = Norm(.rms, epsilon: 1e-5), rmsPlusOne = Norm(.rms, epsilon: 1e-5, addsOne: true)

    static let cases =
        Activation.allCases.map { activation in
            Case(
                "plain, fused, \(activation)",
                LayerDescription(
                    norm: Norm(.layer, epsilon: 1e-5), attention: Attention(.fused, headCount: 4, keyValueHeadCount: 4, headWidth: 2),
                    feedForward: FeedForward(.plain, activation, innerWidth: 6)))
        }
        + Activation.allCases.map { activation in
            Case(
                "gated, \(activation)",
                LayerDescription(
                    norm: rms, attention: Attention(.separate, headCount: 4, keyValueHeadCount: 2, headWidth: 2, rotary: rotary),
                    feedForward: FeedForward(.gated, activation, innerWidth: 6)))
        } + [
            Case(
                "norms of heads",
                LayerDescription(
                    norm: rms,
                    attention: Attention(.separate, headCount: 2, keyValueHeadCount: 1, headWidth: 6, rotary: rotary, headNorm: rms),
                    feedForward: FeedForward(.gated, .silu, innerWidth: 6))),
            Case(
                "norms around, caps, a window",
                LayerDescription(
                    norm: rmsPlusOne, normPlacement: .around,
                    attention: Attention(
                        .separate, headCount: 2, keyValueHeadCount: 1, headWidth: 4, scale: 0.7, scoreCap: 1.5, window: 2, rotary: rotary),
                    feedForward: FeedForward(.gated, .geluTanh, innerWidth: 6))),
            Case(
                "norms around and of heads, each with one more than their weight",
                LayerDescription(
                    norm: rmsPlusOne, normPlacement: .around,
                    attention: Attention(
                        .separate, headCount: 2, keyValueHeadCount: 1, headWidth: 4, scale: 0.4, rotary: RotaryEmbedding(theta: 9),
                        headNorm: rmsPlusOne),
                    feedForward: FeedForward(.gated, .geluTanh, innerWidth: 6))),
        ]

    /// Two samples, whose last tokens predict nothing.
    @Test("differentiates a whole block", arguments: cases)
    func blocks(_ tested: Case) throws {
        let plain = PlainLayer(tested.layer, width: 8, starts: [0, 4, 7])
        let n = 7, x = Reference.values(n * 8, seed: 1), wanted = Reference.values(n * 8, seed: 2)
        let start = plain.parts.enumerated().map { Reference.values($1.dimensions.reduce(1, *), seed: 3 + $0) }
        let set = try LayerGradientTests.parameters(zip(plain.parts, start).map { ("\($0.role)", $0.dimensions, $1) })
        let block = Self.block(plain, set)
        let shape = BlockShape(block, positions: n)
        let memory = try FloatMemory(count: shape.scratchCount + shape.activationCount)
        let batch = PreparedBatch(
            Batch([5, 4].map { Sample(tokens: Array(repeating: 1, count: $0), isLearned: Array(repeating: true, count: $0)) }),
            try LayerGradientTests.model([tested.layer]),
            workerScratch: try WorkerScratch(workerCount: 2, count: CausalAttention.scratchCount(longestSample: 4)))
        let context = StepContext(
            resources: ComputeResources(pool: WorkerPool(threadCount: 2)), isTraining: true, seed: 1, batchNumber: 0)
        let pass = TrainingPass(
            context: context, batch: batch, kept: BlockActivations(memory.pointer + shape.scratchCount, shape),
            scratch: BlockScratch(memory.pointer, shape))
        var y = [Float](repeating: 0, count: x.count), d = wanted.map { Float($0) }
        let input = x.map { Float($0) }
        block.forward(input, into: &y, pass.memory, pass)
        block.backward(&d, x: input, pass)
        Reference.expectClose(y, plain.forward(x, start), "output")
        Reference.expectClose(d, Reference.gradient(x) { Reference.dot(plain.forward($0, start), wanted) }, "input", tolerance: 2e-5)
        for part in start.indices {
            let expected = Reference.gradient(start[part]) { moved in
                var changed = start
                changed[part] = moved
                return Reference.dot(plain.forward(x, changed), wanted)
            }
            Reference.expectClose(LayerGradientTests.gradients(set, part), expected, "\(plain.parts[part].role)", tolerance: 2e-5)
        }
    }

    private static func block(_ plain: PlainLayer, _ set: ParameterSet) -> TransformerBlock<TunableLinear> {
        func slot(_ role: TensorRole, isBias: Bool = false) -> Int? {
            plain.parts.firstIndex { $0.role == role && $0.isBias == isBias }
        }
        return TransformerBlock(plain.layer) { role in
            let (width, norm) = plain.layer.norm(role, width: plain.width)
            return NormLayer(
                norm, width: width, weight: VectorParameter(set, slot: slot(role) ?? -1),
                bias: slot(role, isBias: true).map { VectorParameter(set, slot: $0) })
        } linear: { role in
            let slot = slot(role) ?? -1
            let tensor = ExpectedTensor(ModuleKey(.head), .weight, name: "weight", dimensions: set.slots[slot].shape.dimensions)
            return TunableLinear(weight: .trained(DenseWeight(set, slot: slot, of: tensor)), bias: nil, update: nil)
        }
    }
}
