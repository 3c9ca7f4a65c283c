import Architectures
import CKernels
import Calibration
import Checkpoints
import ModelLoading
import TestSupport
import Testing
import Transformer

/// What linear layers see, against sessions that run the same samples, and sums in float64.
@Suite struct CalibrationPassTests {
    private static let models =
        ["gpt2", "llama-biased", "llama3", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3"].map(Fixture.transformer) + [
            Fixture.checkpoint("llama/nf4-f32"), Fixture.checkpoint("gpt2/nf4-f32"), Fixture.path("gguf/models/llama/model.gguf"),
            Fixture.path("gguf/models/gemma3/model.gguf"),
        ]

    private static func samples(_ model: LayeredModel, lengths: [Int] = [24, 9, 17]) -> CalibrationSamples {
        CalibrationSamples(
            lengths.enumerated().map { number, length in
                .init(
                    ids: randomIDs(length, below: model.configuration.vocabularySize, seed: UInt64(number)), isHeldOut: number == 1)
            })
    }

    private static func groups(
        of path: String, threads: Int = 2, level: qk_simd = qk_simd_best()
    ) throws -> (groups: [CalibrationPass.Group], model: LayeredModel, samples: CalibrationSamples) {
        let model = try layeredModel(path), samples = samples(model)
        var groups: [CalibrationPass.Group] = []
        try CalibrationPass(model, samples, engine: .test(threads: threads, level: level)).run(experts: { _ in }) { groups.append($0) }
        return (groups, model, samples)
    }

    /// The inputs that can be made of a session's states: those of the first product of each layer, by its norm.
    @Test(arguments: models)
    func firstInputsAreNormsOfTheSessionsStates(path: String) throws {
        let (groups, model, samples) = try Self.groups(of: path)
        let loaded = try LoadedModel(try Checkpoint.open(path)), width = model.configuration.width
        let engine = MatrixEngine.test()
        for layer in model.configuration.layers.indices {
            let moments = try #require(groups.first { $0.layer == layer }).moments
            let weights = loaded.weights.layers[layer][norm: .attentionNorm]
            let norm = NormLayer(
                model.configuration.layers[layer].norm, width: width, weight: VectorParameter(weights.weight),
                bias: weights.bias.map { VectorParameter($0) })
            var (sums, held, count) = ([Double](repeating: 0, count: width * width), [Float](), 0)
            for sample in samples.samples {
                let session = InferenceSession(model.configuration, loaded.weights, engine: engine, contextLength: 32)
                var states: [Float] = []
                session.observer = { if $0 == layer { states = $1 } }
                _ = try session.append(sample.ids)
                states.withUnsafeMutableBufferPointer { states in
                    guard let start = states.baseAddress else { return }
                    norm.forward(start, rows: sample.ids.count, into: start, engine)
                }
                if sample.isHeldOut {
                    held += states
                } else {
                    count += sample.ids.count
                    for row in 0..<sample.ids.count {
                        for i in 0..<width {
                            for j in 0..<width { sums[i * width + j] += Double(states[row * width + i]) * Double(states[row * width + j]) }
                        }
                    }
                }
            }
            #expect(moments.heldOut == held)
            #expect(moments.tokenCount == count)
            let largest = sums.map(\.magnitude).max() ?? 0
            for i in 0..<width {
                for j in 0..<width {
                    let expected = sums[i * width + j] / Double(count)
                    #expect((moments.matrix[i, j] - expected).magnitude <= 1e-6 * largest / Double(count))
                }
            }
        }
    }

    /// Every linear layer once, those together that share their inputs, with as many inputs as the weight has.
    @Test(arguments: models)
    func everyLinearLayerIsInOneGroup(path: String) throws {
        let (groups, model, samples) = try Self.groups(of: path)
        let expected = model.configuration.linearWeights.map(\.module)
        #expect(groups.flatMap { $0.modules.map(\.name) }.sorted() == expected.sorted())
        for group in groups {
            let inputs = Set(
                group.modules.map { module in
                    model.configuration.linearWeights.first { $0.module == module.name }?.sizes.inputs ?? 0
                })
            #expect(inputs == [group.moments.width])
            #expect(group.moments.heldOutCount == samples.heldOutCount)
        }
        let isFused = model.configuration.layers[0].attention.projections == .fused
        let isGated = model.configuration.layers[0].feedForward.form == .gated
        #expect(groups.prefix(4).map(\.modules.count) == [isFused ? 1 : 3, 1, isGated ? 2 : 1, 1])
    }

    @Test(arguments: [Fixture.transformer("gemma3"), Fixture.transformer("gpt2")])
    func momentsAreTheSameBitsForAnyThreadsAndLevel(path: String) throws {
        let expected = try Self.groups(of: path).groups.map { ($0.moments.matrix.checksum, $0.moments.heldOut) }
        for (threads, level) in levels.map({ (1, $0) }) + [(3, qk_simd_best())] {
            let found = try Self.groups(of: path, threads: threads, level: level).groups
            #expect(found.map(\.moments.matrix.checksum) == expected.map(\.0))
            #expect(found.map(\.moments.heldOut) == expected.map(\.1))
        }
    }

    @Test func refusesSamplesThatTheModelCannotRead() throws {
        let model = try layeredModel(Fixture.transformer("gpt2"))
        func error(_ samples: [CalibrationSamples.Sample]) -> ModelError? {
            do throws(ModelError) {
                _ = try CalibrationPass(model, CalibrationSamples(samples), engine: .test())
                return nil
            } catch { return error }
        }
        let rows = model.configuration.vocabularySize, positions = model.configuration.contextLength
        #expect(
            error([.init(ids: [0, Int32(rows)], isHeldOut: false), .init(ids: [0], isHeldOut: true)])?.message
                == "the text has a token of id \(rows), but the embedding has \(rows) rows")
        #expect(
            error([.init(ids: [0], isHeldOut: false), .init(ids: Array(repeating: 1, count: positions + 1), isHeldOut: true)])?.message
                == "windows of \(positions + 1) tokens, but the model has \(positions) positions")
        #expect(error([.init(ids: [0, 1], isHeldOut: false)])?.message == "calibrating takes tokens to learn from and others to judge by")
    }

    @Test func memoryGrowsWithTokensAndNeverOverflows() throws {
        let model = try layeredModel(Fixture.transformer("llama3"))
        let small = CalibrationMemory(model, Self.samples(model)),
            large = CalibrationMemory(model, Self.samples(model, lengths: [2400, 900]))
        #expect(small.states == 4 * 50 * model.configuration.width)
        #expect(large.states > small.states && large.heldOut > small.heldOut && large.moments == small.moments)
        #expect(small.total > small.states + small.weights + small.moments)
    }
}
