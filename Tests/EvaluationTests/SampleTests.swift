import ByteIO
import Checkpoints
import Evaluation
import Glibc
import JSONText
import ModelLoading
import Parallelism
import Prompts
import TensorCore
import TestSupport
import Testing
import Tokenization
import Transformer

/// The trained samples on the held-out text, against transformers.
@Suite struct SampleTests {
    private static func model(_ name: String) throws -> EvaluationModel {
        let loaded = try LoadedModel(Checkpoint.open(Fixture.sample(name)))
        return EvaluationModel(name: name, configuration: loaded.configuration, weights: loaded.weights)
    }

    private static func heldout(_ name: String) throws -> [TokenID] {
        let text = try InputFile(path: Fixture.sample("text/heldout.txt")).allBytes(limit: 1 << 20)
        return try Checkpoint.open(Fixture.sample(name)).tokenizer()
            .encode(String(decoding: text, as: UTF8.self), EncodingOptions(addsSpecialTokens: false))
    }

    private static func expected(_ name: String) throws -> JSONValue {
        let document = try JSONValue(parsing: InputFile(path: Fixture.sample("expected.json")).allBytes(limit: 1 << 20))
        return try #require(document["models"]?[name])
    }

    /// The loss that `samples/scripts/measure.py` found, to all five digits that it wrote.
    @Test(arguments: ["gpt2-tensorflow", "llama-hf"])
    func perplexityIsThatOfTransformers(_ name: String) throws {
        let windows = try TextWindows(Self.heldout(name), context: 256, stride: 256)
        let engine = MatrixEngine(pool: WorkerPool(threadCount: 2))
        var counted = 0
        let perplexity = try PerplexityMeasurement(of: Self.model(name), on: windows, engine: engine).run { counted += $0 }
        let expected = try Self.expected(name)
        #expect(perplexity.tokenCount == expected["scored_tokens"]?.integer)
        #expect(counted == perplexity.tokenCount && counted == windows.predictedCount)
        #expect(abs(perplexity.loss.mean - (expected["loss"]?.double ?? 0)) < 1.5e-5)
        #expect(abs(perplexity.value - (expected["perplexity"]?.double ?? 0)) < 1.5e-4)
    }

    /// Both perplexities as when measured alone, and the rest as `Tests/Interop/evaluation.py` finds it in float64.
    @Test func comparesWithTheFourBitModel() throws {
        let windows = try TextWindows(Self.heldout("llama-hf"), context: 256, stride: 256)
        let engine = MatrixEngine(pool: WorkerPool(threadCount: 2))
        let report = try ModelComparison(Self.model("llama-hf"), Self.model("llama-bnb4"), on: windows, engine: engine).run()
        #expect(abs(report.a.loss.mean - (try Self.expected("llama-hf")["loss"]?.double ?? 0)) < 1.5e-5)
        #expect(abs(report.b.loss.mean - (try Self.expected("llama-bnb4")["loss"]?.double ?? 0)) < 1.5e-5)
        #expect(abs(report.perplexityRatio - report.b.value / report.a.value) < 1e-12)
        #expect(abs(report.divergence.mean - 0.006032669) < 1e-7)
        #expect(abs(report.divergence(atShare: 0.99) - 0.07786183) < 1e-5)
        #expect(abs(report.divergence(atShare: 1) - 0.6614012) < 1e-4)
        #expect(abs(report.sameTopShare - 0.9538656) < 2e-4)
        #expect(report.largest.count == 5)
        #expect(report.largest.map(\.divergence) == report.largest.map(\.divergence).sorted(by: >))
        #expect(report.largest[0].divergence == report.divergence(atShare: 1))
    }

    @Test func aModelIsEqualToItself() throws {
        let windows = try TextWindows(Array(Self.heldout("llama-hf").prefix(300)), context: 128, stride: 100)
        let engine = MatrixEngine(pool: WorkerPool(threadCount: 1))
        let model = try Self.model("llama-hf")
        let report = try ModelComparison(model, model, on: windows, engine: engine).run()
        #expect(report.tokenCount == 299)
        #expect(report.divergence(atShare: 1) < 1e-12)
        #expect(report.sameTopShare == 1 && report.sameTopError == 0)
        #expect(report.perplexityRatio == 1 && report.perplexityRatioError == 0)
        #expect(report.a == (try PerplexityMeasurement(of: model, on: windows, engine: engine).run()))
    }

    /// More context makes the text easier, and any number of threads gives the same bits.
    @Test func strideAndThreads() throws {
        let ids = Array(try Self.heldout("gpt2-tensorflow").prefix(500))
        let model = try Self.model("gpt2-tensorflow")
        func measure(stride: Int, threads: Int) throws -> Perplexity {
            let windows = try TextWindows(ids, context: 64, stride: stride)
            return try PerplexityMeasurement(of: model, on: windows, engine: MatrixEngine(pool: WorkerPool(threadCount: threads))).run()
        }
        let apart = try measure(stride: 64, threads: 1)
        let overlapping = try measure(stride: 16, threads: 1)
        #expect(overlapping.loss.mean < apart.loss.mean)
        #expect(overlapping == (try measure(stride: 16, threads: 3)))
        // Each token by itself: what the windows must come to.
        var losses = SampleMean()
        let session = InferenceSession(
            model.configuration, model.weights, engine: MatrixEngine(pool: WorkerPool(threadCount: 1)), contextLength: 64, cacheType: .f32)
        for target in 1..<130 {
            let start = target < 64 ? 0 : (target - 64) / 16 * 16 + 16
            session.reset()
            let logits = try session.append(Array(ids[start..<target]))
            losses.add(logSumExp(logits) - Double(logits[Int(ids[target])]))
        }
        let windows = try TextWindows(Array(ids.prefix(130)), context: 64, stride: 16)
        let measured = try PerplexityMeasurement(of: model, on: windows, engine: MatrixEngine(pool: WorkerPool(threadCount: 2))).run()
        #expect(measured.tokenCount == 129)
        #expect(abs(measured.loss.mean - losses.mean) < 1e-5)
    }

    @Test func refusesTokensThatAModelDoesNotKnow() throws {
        let model = try Self.model("llama-hf")
        let engine = MatrixEngine(pool: WorkerPool(threadCount: 1))
        let windows = try TextWindows([1, 1280], context: 4, stride: 4)
        let error = #expect(throws: EvaluationError.self) { try PerplexityMeasurement(of: model, on: windows, engine: engine) }
        #expect(error?.message == "the text has the token 1280, but the tokens of llama-hf go from 0 to 1279")
    }
}

private func logSumExp(_ logits: [Float]) -> Double {
    let largest = Double(logits.max() ?? 0)
    return largest + log(logits.reduce(0.0) { $0 + exp(Double($1) - largest) })
}
