import Testing

@testable import TensorCore

@Suite struct RandomGeneratorTests {
    /// Known answers of the authors' own implementation, Random123 (`kat_vectors`, philox4x32 with 10 rounds).
    @Test(
        arguments: [
            (0, 0, 0, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            (
                0x299f_31d0_a409_3822, 0x0370_7344_1319_8a2e, 0x85a3_08d3_243f_6a88, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
            ),
        ] as [(UInt64, UInt64, UInt64, [UInt32])])
    func givesThePublishedNumbers(seed: UInt64, stream: UInt64, block: UInt64, expected: [UInt32]) {
        // The counter of the second vector is beyond what a position of words can say: only its lower 62 bits count blocks.
        guard block <= UInt64.max / 4 else {
            #expect(RandomGenerator.words(ofBlock: block, stream: stream, seed: seed) == expected)
            return
        }
        var generator = RandomGenerator(seed: seed, stream: stream, position: block * 4)
        #expect((0..<4).map { _ in generator.word() } == expected)
    }

    @Test func aPositionIsAllThereIsToSave() {
        var generator = RandomGenerator(seed: 7, stream: 3)
        let words = (0..<23).map { _ in generator.word() }
        for start in words.indices {
            var resumed = RandomGenerator(seed: 7, stream: 3, position: UInt64(start))
            #expect((start..<23).map { _ in resumed.word() } == Array(words[start...]))
            #expect(resumed == generator)
            resumed.position = UInt64(start)
            #expect(resumed.word() == words[start])
        }
    }

    @Test func streamsAndSeedsDiffer() {
        var firsts: Set<UInt64> = []
        for seed in UInt64(0)..<20 {
            for stream in UInt64(0)..<20 {
                var generator = RandomGenerator(seed: seed, stream: stream)
                firsts.insert(generator.next())
            }
        }
        #expect(firsts.count == 400)
    }

    @Test func momentsAreThoseOfTheDistributions() {
        var generator = RandomGenerator(seed: 1)
        let count = 20_000
        var (sum, squares, uniformSum) = (0.0, 0.0, 0.0)
        for _ in 0..<count {
            let value = Double(generator.normal())
            sum += value
            squares += value * value
            let uniform = generator.uniform()
            #expect((0..<1).contains(uniform))
            uniformSum += Double(uniform)
        }
        // Five standard errors.
        #expect(abs(sum / Double(count)) < 5 / Double(count).squareRoot())
        #expect(abs(squares / Double(count) - 1) < 5 * (2 / Double(count)).squareRoot())
        #expect(abs(uniformSum / Double(count) - 0.5) < 5 * (1 / 12.0 / Double(count)).squareRoot())
    }

    @Test func indicesAreUniform() {
        var generator = RandomGenerator(seed: 5)
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<14_000 { counts[generator.index(below: 7)] += 1 }
        let chiSquare = counts.reduce(0.0) { $0 + Double(($1 - 2000) * ($1 - 2000)) / 2000 }
        // 6 degrees of freedom: exceeded once in 10^5.
        #expect(chiSquare < 32)
    }

    @Test func permutationsHoldEveryIndexOnce() {
        var generator = RandomGenerator(seed: 9)
        for count in [0, 1, 2, 17, 100] { #expect(generator.permutation(of: count).sorted() == Array(0..<count)) }
        #expect(generator.permutation(of: 100) != generator.permutation(of: 100))
    }
}
