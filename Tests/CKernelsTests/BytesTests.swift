import CKernels
import TestSupport
import Testing

/// Rows of floats as signed bytes.
struct BytesTests {
    private static func encoded(_ level: qk_simd, _ x: [Float]) -> (codes: [Int8], scale: Float) {
        var codes = [Int8](repeating: 99, count: x.count), scale: Float = -1
        qk_bytes_encode_at(level, x, x.count, &codes, &scale)
        return (codes, scale)
    }

    private static func decoded(_ level: qk_simd, _ codes: [Int8], _ scale: Float) -> [Float] {
        var x = [Float](repeating: .infinity, count: codes.count)
        qk_bytes_decode_at(level, codes, codes.count, [scale], 1, codes.count, &x)
        return x
    }

    @Test(arguments: levels)
    func errorsAreHalfAStepAtMost(_ level: qk_simd) {
        var random = SeededGenerator(seed: 4)
        for count in [1, 2, 7, 8, 15, 16, 31, 64, 80, 129] {
            for size in [1e-30, 1, 1e5, 1e37] as [Float] {
                let x = random.floats(count, -1...1).map { $0 * size }
                let (codes, scale) = Self.encoded(level, x), largest = x.reduce(0) { max($0, $1.magnitude) }
                #expect(scale == largest / 127 && codes.contains { $0.magnitude == 127 } && !codes.contains(-128))
                for (value, back) in zip(x, Self.decoded(level, codes, scale)) {
                    #expect((value - back).magnitude <= scale * 0.50001)
                }
                let scalar = Self.encoded(QK_SCALAR, x)
                #expect(codes == scalar.codes && scale == scalar.scale)
                #expect(isSame(Self.decoded(level, codes, scale), Self.decoded(QK_SCALAR, codes, scale)))
            }
        }
    }

    @Test(arguments: levels)
    func roundsToEven(_ level: qk_simd) {
        let (codes, scale) = Self.encoded(level, [127, 0.5, 1.5, 2.5, -0.5, -1.5, 126.5, -127])
        #expect(codes == [127, 0, 2, 2, 0, -2, 126, -127] && scale == 1)
    }

    /// One value that is no number spoils its row, so that it is seen; too small ones vanish.
    @Test(arguments: levels)
    func extremes(_ level: qk_simd) {
        for value in [Float.nan, .infinity, -.infinity, -.nan] {
            for place in [0, 5, 18] {
                var x = [Float](repeating: 1, count: 19)
                x[place] = value
                let (codes, scale) = Self.encoded(level, x)
                #expect(Self.decoded(level, codes, scale).allSatisfy { $0.isNaN })
            }
        }
        for value in [Float(0), .leastNonzeroMagnitude, 1.4e-36] {
            let (codes, scale) = Self.encoded(level, [value, -value, 0])
            #expect(codes == [0, 0, 0] && scale == 0)
        }
        let largest = Float.greatestFiniteMagnitude * 0.99, (codes, scale) = Self.encoded(level, [largest, -largest, 0, largest / 2])
        #expect(codes[..<3] == [127, -127, 0] && Self.decoded(level, codes, scale).allSatisfy { $0.magnitude <= largest })
    }

    @Test(arguments: levels)
    func readsRowsThatLieApart(_ level: qk_simd) {
        let codes: [Int8] = [1, 2, 3, 99, -1, -2, -3, 99, 127, -128, 0]
        var x = [Float](repeating: 0, count: 9)
        qk_bytes_decode_at(level, codes, 4, [2, 0.5, 1], 3, 3, &x)
        #expect(x == [2, 4, 6, -0.5, -1, -1.5, 127, -128, 0])
    }
}
