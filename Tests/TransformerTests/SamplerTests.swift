import Architectures
import Glibc
import TensorCore
import Testing

@testable import Transformer

@Suite struct SamplerTests {
    private static let logits: [Float] = [1, 3, -2, 0.5, 3, 2.25, -0.75, 0]

    /// Probabilities by the definition, in double precision, from a sorted list: a plain reference.
    private static func probabilities(_ settings: SamplingSettings, logits: [Float] = logits) -> [Double] {
        let scaled = logits.map { Double($0) / Double(settings.temperature) }
        let order = scaled.indices.sorted { (-scaled[$0], $0) < (-scaled[$1], $1) }
        var kept = Array(order.prefix(settings.topK ?? order.count))
        func share(_ tokens: [Int]) -> [Double] {
            let sum = tokens.reduce(0) { $0 + exp(scaled[$1]) }
            return tokens.map { exp(scaled[$0]) / sum }
        }
        var sum = 0.0
        let last = share(kept).firstIndex { probability in
            sum += probability
            return sum >= Double(settings.topP) - 1e-12
        }
        kept = Array(kept[...(last ?? kept.count - 1)])
        let shares = share(kept)
        kept = zip(kept, shares).filter { $0.1 >= Double(settings.minP) * shares[0] }.map(\.0)
        var result = [Double](repeating: 0, count: logits.count)
        for (token, probability) in zip(kept, share(kept)) { result[token] = probability }
        return result
    }

    @Test(arguments: [
        SamplingSettings(temperature: 1), SamplingSettings(temperature: 0.7, seed: 3), SamplingSettings(temperature: 1.5, topK: 3),
        SamplingSettings(temperature: 1, topP: 0.8), SamplingSettings(temperature: 1, minP: 0.15),
        SamplingSettings(temperature: 2, topK: 6, topP: 0.9, minP: 0.2), SamplingSettings(temperature: 1, topK: 1),
        SamplingSettings(temperature: 1, topP: 0.0001),
    ])
    func drawsFromTheDistribution(settings: SamplingSettings) throws {
        let expected = Self.probabilities(settings)
        var sampler = Sampler(settings)
        let count = 8000
        var counts = [Int](repeating: 0, count: Self.logits.count)
        for _ in 0..<count { counts[Int(try sampler.next(Self.logits))] += 1 }
        var chiSquare = 0.0
        for (found, probability) in zip(counts, expected) {
            guard probability > 0 else {
                #expect(found == 0)
                continue
            }
            let mean = probability * Double(count)
            chiSquare += (Double(found) - mean) * (Double(found) - mean) / mean
        }
        // At most 7 degrees of freedom: exceeded once in 10^5.
        #expect(chiSquare < 36)
    }

    @Test func temperatureZeroIsGreedy() throws {
        var sampler = Sampler(SamplingSettings())
        for _ in 0..<5 { #expect(try sampler.next(Self.logits) == 1) }
    }

    @Test func theSeedDecides() throws {
        func tokens(_ seed: UInt64) throws -> [Int32] {
            var sampler = Sampler(SamplingSettings(temperature: 1, seed: seed))
            return try (0..<50).map { _ in try sampler.next(Self.logits) }
        }
        #expect(try tokens(1) == tokens(1))
        #expect(try tokens(1) != tokens(2))
    }

    /// transformers' RepetitionPenaltyLogitsProcessor: positive logits are divided, negative ones multiplied.
    @Test func penalizesWhatOccurred() throws {
        var sampler = Sampler(SamplingSettings(repeatPenalty: 2))
        #expect(try sampler.next(Self.logits, history: [1, 1]) == 4)
        #expect(try sampler.next(Self.logits, history: [1, 4]) == 5)
        #expect(try sampler.next([-1, -1.5], history: [0]) == 1)
        #expect(try sampler.next(Self.logits, history: [1, 99, -1]) == 4)
    }

    @Test(arguments: [[1, .nan, 2], [-.infinity, -.infinity], [1, .infinity]] as [[Float]])
    func refusesLogitsThatAreNotFinite(logits: [Float]) {
        var sampler = Sampler(SamplingSettings(temperature: 1))
        #expect(throws: ModelError.self) { try sampler.next(logits) }
    }

    @Test func theHeapSorts() {
        var random = RandomGenerator(seed: 11)
        for count in [0, 1, 2, 3, 50, 257] {
            let logits = (0..<count).map { _ in Float(random.index(below: 20)) }
            var heap = CandidateHeap(logits)
            var order: [Int] = []
            while let token = heap.popLargest() { order.append(token) }
            #expect(order == logits.indices.sorted { (-logits[$0], $0) < (-logits[$1], $1) })
        }
    }
}
