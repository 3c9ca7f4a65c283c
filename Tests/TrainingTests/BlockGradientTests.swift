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
        ] + wirings + attentions

    /// Ways to tie branches to the residual stream.
    private static let wirings = [
        Case(
            "norms after branches alone, and one of all heads together",
            LayerDescription(
                norm: rms, normPlacement: .after,
                attention: Attention(
                    .separate, headCount: 4, keyValueHeadCount: 2, headWidth: 2, rotary: rotary, headNorm: rms, headNormScope: .allHeads),
                feedForward: FeedForward(.gated, .silu, innerWidth: 6))),
        Case(
            "parallel, one norm, grouped queries, one layer for gates and ups",
            LayerDescription(
                norm: layerNorm, wiring: .parallel(sharesNorm: true),
                attention: Attention(.grouped, headCount: 4, keyValueHeadCount: 2, headWidth: 2, rotary: rotary),
                feedForward: FeedForward(.fusedGated, .silu, innerWidth: 6))),
        Case(
            "parallel, a norm each without weights",
            LayerDescription(
                norm: Norm(.layer, epsilon: 1e-5, hasWeight: false), wiring: .parallel(sharesNorm: false),
                attention: Attention(.grouped, headCount: 4, keyValueHeadCount: 4, headWidth: 2, rotary: rotary),
                feedForward: FeedForward(.plain, .reluSquared, innerWidth: 6))),
        Case(
            "a stream that goes on with the norm's output, biases of scores",
            LayerDescription(
                norm: layerNorm, wiring: .normedStream,
                attention: Attention(
                    .grouped, headCount: 4, keyValueHeadCount: 4, headWidth: 2, positionBias: PositionBias(headCount: 4)),
                feedForward: FeedForward(.plain, .geluTanh, innerWidth: 6))),
        Case(
            "norms of sums",
            LayerDescription(
                norm: layerNorm, wiring: .normedSum, attention: Attention(.separate, headCount: 4, keyValueHeadCount: 4, headWidth: 2),
                feedForward: FeedForward(.plain, .relu, innerWidth: 6))),
        Case(
            "branches by a factor",
            LayerDescription(
                norm: rms, branchFactor: 0.3,
                attention: Attention(.separate, headCount: 4, keyValueHeadCount: 2, headWidth: 2, rotary: rotary),
                feedForward: FeedForward(.fusedGated, .silu, innerWidth: 6))),
    ]
    private static let layerNorm = Norm(.layer, epsilon: 1e-5)

    /// Ways to make queries and keys.
    private static let attentions =
        [
            (
                "half of each head in neighbours, a magnitude",
                Attention(
                    .separate, headCount: 2, keyValueHeadCount: 1, headWidth: 8, scale: 0.2,
                    rotary: RotaryEmbedding(
                        theta: 50, scaling: .yarn(YarnScaling(factor: 4, originalContextLength: 8)), width: 4, pairing: .neighbours))
            ),
            (
                "a base that depends on the length of the sample",
                Attention(
                    .fused, headCount: 2, keyValueHeadCount: 1, headWidth: 4,
                    rotary: RotaryEmbedding(theta: 50, scaling: .dynamic(factor: 3, contextLength: 3)))
            ),
            (
                "a norm of heads with weights of their own, a temperature",
                Attention(
                    .separate, headCount: 4, keyValueHeadCount: 2, headWidth: 6, scale: 0.3, rotary: rotary,
                    headNorm: Norm(.layer, epsilon: 1e-5, hasBias: false), headNormScope: .headsApart,
                    temperature: QueryTemperature(weight: 0.5, interval: 2))
            ),
            ("clipping", Attention(.separate, headCount: 4, keyValueHeadCount: 2, headWidth: 2, rotary: rotary, clip: 0.9)),
            (
                "clipping after a norm of all heads",
                Attention(
                    .separate, headCount: 4, keyValueHeadCount: 2, headWidth: 2, rotary: rotary, headNorm: rms, headNormScope: .allHeads,
                    clip: 0.4)
            ),
        ].map { name, attention in
            Case(
                name, LayerDescription(norm: rms, attention: attention, feedForward: FeedForward(.gated, .silu, innerWidth: 6)))
        }

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
            // Of some elements of large parts; all would take minutes.
            let elements = Array(stride(from: part % 3, to: start[part].count, by: max(1, start[part].count / 16)))
            let expected = Reference.gradient(elements.map { start[part][$0] }) { moved in
                var changed = start
                for (element, value) in zip(elements, moved) { changed[part][element] = value }
                return Reference.dot(plain.forward(x, changed), wanted)
            }
            let actual = LayerGradientTests.gradients(set, part), largest = actual.reduce(Float(0)) { max($0, abs($1)) }
            Reference.expectClose(
                elements.map { actual[$0] }, expected, "\(plain.parts[part].role)", tolerance: 2e-5, largest: Double(largest))
        }
    }

    private static func block(_ plain: PlainLayer, _ set: ParameterSet) -> TransformerBlock<TunableLinear> {
        func slot(_ role: TensorRole, isBias: Bool = false) -> Int? {
            plain.parts.firstIndex { $0.role == role && $0.isBias == isBias }
        }
        return TransformerBlock(plain.layer) { role in
            let (width, rows, norm) = plain.layer.norm(role, width: plain.width)
            return NormLayer(
                norm, width: width, period: rows, weight: slot(role).map { VectorParameter(set, slot: $0) },
                bias: slot(role, isBias: true).map { VectorParameter(set, slot: $0) })
        } linear: { role in
            let slot = slot(role) ?? -1
            let tensor = ExpectedTensor(ModuleKey(.head), .weight, name: "weight", dimensions: set.slots[slot].shape.dimensions)
            return TunableLinear(weight: .trained(DenseWeight(set, slot: slot, of: tensor)), bias: nil, update: nil)
        } expert: { role, number in
            preconditionFailure("no \(role) of expert \(number) is asked for")
        } sinks: {
            preconditionFailure("no sinks are asked for")
        }
    }
}
