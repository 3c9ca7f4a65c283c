import Architectures
import Calibration
import Checkpoints
import ModelLoading
import Parallelism
import TensorCore
import TestSupport
import Testing
import Transformer

@testable import Comparison

/// Errors of what layers put out, by hand and on experts.
@Suite struct OutputComparisonTests {
    private static func samples(_ model: LayeredModel, count: Int = 6) -> CalibrationSamples {
        var random = SeededGenerator(seed: 11)
        return CalibrationSamples(
            (0..<count).map { _ in
                .init(
                    ids: (0..<24).map { _ in Int32.random(in: 0..<Int32(model.configuration.vocabularySize), using: &random) },
                    isHeldOut: false)
            })
    }

    @Test(arguments: [Fixture.sample("llama-hf"), Fixture.mixture("mixtral"), Fixture.mixture("granitemoe")])
    func errorsAreThoseOfFloat64(path: String) throws {
        let folder = try TemporaryFolder(), converted = folder.path("model.qnf")
        try convert(path, to: converted)
        let source = try LayeredModel(Checkpoint.open(path)), model = try Checkpoint.open(converted)
        let samples = Self.samples(source), engine = MatrixEngine(pool: WorkerPool(threadCount: 2))
        let found = try OutputComparison(source: source, samples, model: model, engine: engine).run()
        var checked = 0
        func check(_ weight: LogicalTensor, _ inputs: [[Float]], columns: Int) throws {
            let partner = try #require(model.tensors.first { $0.name == weight.name })
            let w = try source.checkpoint.reader(of: weight, order: .outputsByInputs).allElements()
            let q = try model.reader(of: partner, order: .outputsByInputs).allElements()
            let size = w.count / inputs.count
            var (error, all) = (0.0, 0.0)
            for (place, x) in inputs.enumerated() {
                for token in stride(from: 0, to: x.count, by: columns) {
                    for row in stride(from: place * size, to: (place + 1) * size, by: columns) {
                        var (difference, sum) = (0.0, 0.0)
                        for column in 0..<columns {
                            let input = Double(x[token + column])
                            difference += (Double(q[row + column]) - Double(w[row + column])) * input
                            sum += Double(w[row + column]) * input
                        }
                        error += difference * difference
                        all += sum * sum
                    }
                }
            }
            let stated = found[weight.name]
            #expect(all > 0 ? ((stated ?? 0) / (error / all).squareRoot() - 1).magnitude < 1e-4 : stated == nil, "\(weight.name)")
            checked += all > 0 ? 1 : 0
        }
        // Every window is measured: the same ones, all held out but one that is there twice.
        let all = CalibrationSamples(
            [.init(ids: samples.samples[0].ids, isHeldOut: false)] + samples.samples.map { .init(ids: $0.ids, isHeldOut: true) })
        try CalibrationPass(source, all, engine: engine).run { group in
            for (tensor, experts) in group.tensors {
                try check(tensor, experts.map { group.heldOut(ofExpert: $0) }, columns: group.width)
            }
        } _: { group in
            #expect(group.moments.heldOutCount == samples.tokenCount)
            for module in group.modules.suffix(1) { try check(module.weight, [group.moments.heldOut], columns: group.moments.width) }
        }
        #expect(checked >= 8 && found.values.allSatisfy { $0 > 0 && $0 < 0.3 })
    }

    @Test func aModelIsNoFartherFromItselfThanNothing() throws {
        let path = Fixture.sample("llama-hf"), source = try LayeredModel(Checkpoint.open(path))
        let engine = MatrixEngine(pool: WorkerPool(threadCount: 1))
        var layers = 0
        let found = try OutputComparison(source: source, Self.samples(source, count: 1), model: source.checkpoint, engine: engine)
            .run { layers += 1 }
        #expect(found.count == 28 && found.values.allSatisfy { $0 == 0 } && layers == 4)
        // Tensors of other names have no place in it.
        let other = try Checkpoint.open(Fixture.sample("gpt2-tensorflow"))
        #expect(try OutputComparison(source: source, Self.samples(source), model: other, engine: engine).run().isEmpty)
    }
}
