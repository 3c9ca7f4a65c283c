import Glibc

/// SplitMix64: the same values on every machine.
struct RandomValues: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }

    /// Standard normal values (Box and Muller), an even number of them.
    mutating func normal(_ count: Int) -> [Float] {
        var values: [Float] = []
        values.reserveCapacity(count)
        for _ in 0..<count / 2 {
            let radius = (-2 * log((Double(next() >> 11) + 1) * 0x1p-53)).squareRoot()
            let angle = 2 * Double.pi * Double(next() >> 11) * 0x1p-53
            values.append(Float(radius * cos(angle)))
            values.append(Float(radius * sin(angle)))
        }
        return values
    }
}

/// `((i + 1) * 2654435761 mod 2^32 >> 8) * 2^-24 - 0.5`, exact in float32: the values of the large reference runs.
func proceduralValues(_ count: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, initializedCount in
        var product: UInt32 = 0
        for i in 0..<count {
            product &+= 2_654_435_761
            buffer[i] = Float(product >> 8) * 0x1p-24 - 0.5
        }
        initializedCount = count
    }
}
