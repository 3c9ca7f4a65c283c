import Platform

/// Random numbers that depend on a seed, a stream and a position alone: Philox4x32-10 of Salmon and others,
/// "Parallel Random Numbers: As Easy as 1, 2, 3" (2011).
///
/// The generator has no hidden state: number n of a stream can be had without those before it, and three integers save
/// and restore it. Streams of one seed are independent of each other: one for each use (data order, dropout of a layer,
/// sampling), so that no use shifts the numbers of another.
///
///     block number of the position (u64) | stream (u64)   = counter, four words
///     seed (u64)                                          = key, two words
///     ten rounds of two 32 x 32 -> 64 bit products        = four words of output a block
package struct RandomGenerator: RandomNumberGenerator, Sendable, Hashable {
    package let seed: UInt64
    package let stream: UInt64
    /// Words of 32 bits drawn so far; setting it seeks.
    package var position: UInt64 {
        didSet { if position / 4 != oldValue / 4 { block = Self.block(position / 4, stream: stream, seed: seed) } }
    }
    /// The four words of which the next one is a part.
    private var block: SIMD4<UInt32>

    package init(seed: UInt64, stream: UInt64 = 0, position: UInt64 = 0) {
        self.seed = seed
        self.stream = stream
        self.position = position
        block = Self.block(position / 4, stream: stream, seed: seed)
    }

    package static func == (a: RandomGenerator, b: RandomGenerator) -> Bool {
        a.seed == b.seed && a.stream == b.stream && a.position == b.position
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(seed)
        hasher.combine(stream)
        hasher.combine(position)
    }

    /// The next 32 bits.
    package mutating func word() -> UInt32 {
        let word = block[Int(position % 4)]
        position &+= 1
        return word
    }

    /// The next 64 bits: two words, the first one low.
    package mutating func next() -> UInt64 {
        let low = UInt64(word())
        return UInt64(word()) << 32 | low
    }

    /// Uniform in [0, 1), a multiple of 2^-24. One word.
    package mutating func uniform() -> Float { Float(word() >> 8) * 0x1p-24 }

    /// Uniform in [0, 1), a multiple of 2^-53. Two words.
    package mutating func uniformDouble() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Normal with mean 0 and standard deviation 1 (Box and Muller, in double precision). Two words, whatever comes out.
    package mutating func normal() -> Float {
        // Never 0, whose logarithm is infinite.
        let radius = (Double(word()) + 1) * 0x1p-32
        let angle = Double(word()) * 0x1p-32
        return Float((-2 * log(radius)).squareRoot() * cos(2 * .pi * angle))
    }

    /// Uniform among 0..<count, without bias (Lemire's method: one draw, rarely more).
    ///
    /// - Precondition: `count` is positive.
    package mutating func index(below count: Int) -> Int {
        precondition(count > 0, "nothing lies below \(count)")
        let bound = UInt64(count)
        let threshold = (0 &- bound) % bound
        while true {
            let product = next().multipliedFullWidth(by: bound)
            if product.low >= threshold { return Int(product.high) }
        }
    }

    /// 0..<count in random order (Fisher and Yates).
    package mutating func permutation(of count: Int) -> [Int] {
        var order = Array(0..<count)
        for last in stride(from: count - 1, to: 0, by: -1) { order.swapAt(last, index(below: last + 1)) }
        return order
    }

    /// The four words of a block, of which a position can reach the first 2^62.
    static func words(ofBlock number: UInt64, stream: UInt64, seed: UInt64) -> [UInt32] {
        let block = block(number, stream: stream, seed: seed)
        return block.indices.map { block[$0] }
    }

    private static func block(_ number: UInt64, stream: UInt64, seed: UInt64) -> SIMD4<UInt32> {
        var words = SIMD4(
            UInt32(truncatingIfNeeded: number), UInt32(number >> 32), UInt32(truncatingIfNeeded: stream), UInt32(stream >> 32))
        var key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(seed >> 32))
        for round in 0..<10 {
            if round > 0 { key &+= SIMD2(0x9E37_79B9, 0xBB67_AE85) }
            let first = words[0].multipliedFullWidth(by: 0xD251_1F53)
            let second = words[2].multipliedFullWidth(by: 0xCD9E_8D57)
            words = SIMD4(second.high ^ words[1] ^ key[0], second.low, first.high ^ words[3] ^ key[1], first.low)
        }
        return words
    }
}
