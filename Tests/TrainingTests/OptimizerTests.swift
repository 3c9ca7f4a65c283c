import Glibc
import Parallelism
import TensorCore
import Testing

@testable import Records
@testable import Training

@Suite struct OptimizerTests {
    /// Ten steps on a parabola with different curvatures, beside the formulas in double precision.
    private static func run(_ settings: OptimizerSettings, threads: Int = 2, count: Int = 1000) throws -> [Float] {
        let pool = WorkerPool(threadCount: threads)
        let parameters = try ParameterSet([(name: "w", shape: try #require(Shape([count])))])
        let optimizer = try Optimizer(settings, parameterCount: parameters.values.count, folder: "/tmp")
        for i in 0..<count { parameters.values.buffer[i] = Float(i % 17) - 8.5 }
        for _ in 0..<10 {
            for i in 0..<count { parameters.gradients.buffer[i] = parameters.values.buffer[i] * Float(1 + i % 5) * 0.1 }
            try optimizer.step(parameters, learningRate: 0.05, gradientScale: 0.5, pool: pool)
        }
        return parameters.array(0)
    }

    private static func expected(_ settings: OptimizerSettings, count: Int = 1000) -> [Double] {
        (0..<count).map { i in
            var w = Double(i % 17) - 8.5, m = 0.0, v = 0.0
            for step in 1...10 {
                let g = w * Double(1 + i % 5) * 0.1 * 0.5
                w *= 1 - 0.05 * settings.weightDecay
                guard settings.kind != .sgd else {
                    w -= 0.05 * g
                    continue
                }
                m += (1 - settings.beta1) * (g - m)
                v = settings.beta2 * v + (1 - settings.beta2) * g * g
                let correction = (1 - pow(settings.beta2, Double(step))).squareRoot()
                w -= 0.05 / (1 - pow(settings.beta1, Double(step))) * m / (v.squareRoot() / correction + settings.epsilon)
            }
            return w
        }
    }

    @Test("follows the formulas", arguments: [OptimizerSettings.Kind.adamw, .pagedAdamW, .sgd])
    func followsTheFormulas(_ kind: OptimizerSettings.Kind) throws {
        let settings = OptimizerSettings(kind: kind, weightDecay: 0.1)
        for (actual, expected) in zip(try Self.run(settings), Self.expected(settings)) { #expect(abs(Double(actual) - expected) < 2e-5) }
    }

    @Test func eightBitMomentsStayClose() throws {
        let settings = OptimizerSettings(kind: .adamw8bit, weightDecay: 0.1)
        let error = zip(try Self.run(settings), Self.expected(settings)).map { abs(Double($0) - $1) }
        // Ten steps of at most 0.05 each.
        #expect((error.max() ?? 1) < 0.05)
        #expect(error.reduce(0, +) / Double(error.count) < 0.01)
    }

    @Test("gives the same bits on any number of threads", arguments: OptimizerSettings.Kind.allCases)
    func isDeterministic(_ kind: OptimizerSettings.Kind) throws {
        let settings = OptimizerSettings(kind: kind)
        #expect(try Self.run(settings, threads: 1, count: 70_000) == Self.run(settings, threads: 3, count: 70_000))
    }

    @Test func hasTheUnsignedMap() {
        let map = UnsignedDynamicMap.values
        #expect(map.count == 256 && map == map.sorted() && map.first == 0 && map.last == 1)
    }

    @Test func risesAndFallsByTheSchedule() {
        let cosine = LearningRate(peak: 1, schedule: .cosine, warmupCount: 4, stepCount: 20)
        #expect((0..<5).map(cosine.rate) == [0.25, 0.5, 0.75, 1, 1])
        #expect(abs(cosine.rate(step: 12) - 0.5) < 1e-12)
        let linear = LearningRate(peak: 2, schedule: .linear, warmupCount: 0, stepCount: 10)
        #expect(linear.rate(step: 5) == 1 && linear.rate(step: 10) == 0)
        #expect(LearningRate(peak: 3, schedule: .constant, warmupCount: 0, stepCount: 5).rate(step: 4) == 3)
    }
}
