import CKernels

/// The levels this machine can run.
let levels: [qk_simd] = [QK_SCALAR, QK_AVX2, QK_AVX512].filter { $0.rawValue <= qk_simd_best().rawValue }

extension qk_simd {
    var name: String { ["scalar", "AVX2", "AVX-512"][Int(rawValue)] }
}

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

    mutating func unitValues(_ count: Int) -> [Float] { (0..<count).map { _ in Float.random(in: -1...1, using: &self) } }

    /// Any bit pattern but those of NaNs and infinities.
    mutating func finitePatterns(_ count: Int) -> [Float] {
        (0..<count).map { _ in
            let value = Float(bitPattern: UInt32(truncatingIfNeeded: next()))
            return value.isFinite ? value : 0
        }
    }
}

/// Equal bits; any two NaNs are equal.
func isSame(_ a: [Float], _ b: [Float]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN }
}

/// Where two arrays differ first, and in how many places; nil where they are equal. (`#expect(a == b)` of large arrays would
/// take minutes to find the shortest edit between them.)
func difference<T: Equatable>(_ actual: [T], _ expected: [T]) -> String? {
    if actual == expected { return nil }
    guard actual.count == expected.count else { return "\(actual.count) elements, not \(expected.count)" }
    let places = actual.indices.filter { actual[$0] != expected[$0] }
    return "[\(places[0])] is \(actual[places[0]]), not \(expected[places[0]]); \(places.count) differ"
}
