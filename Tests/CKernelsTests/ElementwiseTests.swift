import CKernels
import Glibc
import TestSupport
import Testing

struct ElementwiseTests {
    /// In units of the last place of the expected value, at least that of the smallest normal number.
    private func ulps(_ actual: Float, _ expected: Double) -> Double {
        let rounded = Float(expected)
        if actual == rounded || actual.isNaN && rounded.isNaN { return 0 }
        return abs(Double(actual) - expected) / Double(max(abs(rounded), .leastNormalMagnitude).ulp)
    }

    private func largestError(_ actual: [Float], _ expected: [Double]) -> Double {
        zip(actual, expected).reduce(0) { max($0, ulps($1.0, $1.1)) }
    }

    /// The same call on every level, which all give the same bits.
    private func onEveryLevel(_ count: Int, _ call: (qk_simd, inout [Float]) -> Void) -> [Float] {
        var first: [Float] = []
        for level in levels {
            var result = [Float](repeating: -77, count: count)
            call(level, &result)
            if first.isEmpty { first = result }
            #expect(isSame(result, first), "\(level.name)")
        }
        return first
    }

    @Test func exponentials() {
        // All of the range in steps that meet many fractions, and the edges.
        var x = (0..<40_001).map { Float($0 - 20_800) * 0.005_013 }
        x += [0, -0.0, 88.722, 88.73, 89, 1000, .infinity, -87.33, -87.34, -103.9, -104.1, -1000, -.infinity, .nan]
        let y = onEveryLevel(x.count) { qk_exp_at($0, x, x.count, &$1) }
        #expect(largestError(y, x.map { exp(Double($0)) }) <= 1)
        #expect(y.suffix(14)[40_001 + 1] == 1)
    }

    @Test func siluTimesUp() {
        var random = SeededGenerator(seed: 1)
        let gate = random.floats(999).map { $0 * 30 } + [0, -0.0, 200, -200, .nan], up = random.floats(1004).map { $0 * 3 }
        let y = onEveryLevel(gate.count) { qk_siluTimes_at($0, gate, up, gate.count, &$1) }
        let expected = zip(gate, up).map { Double($0) / (1 + exp(-Double($0))) * Double($1) }
        #expect(largestError(y, expected) <= 4)
    }

    @Test func geluInItsTanhForm() {
        let x = (0...8000).map { Float($0 - 4000) * 0.001 } + [30, -30, 1e5, -1e5, 3e38, .infinity]
        let y = onEveryLevel(x.count) { qk_geluTanh_at($0, x, x.count, &$1) }
        let expected = x.map { x in
            // As x / (1 + e^-2u): 1 + tanh(u) has no digits left for large negative u, not even in double.
            Double(x) / (1 + exp(-2 * (2 / Double.pi).squareRoot() * (Double(x) + 0.044715 * Double(x) * Double(x) * Double(x))))
        }
        #expect(largestError(Array(y.prefix(8001)), Array(expected.prefix(8001))) <= 16)
        #expect(Array(y.suffix(6)) == [30, -0.0, 1e5, -0.0, 3e38, .infinity])
    }

    @Test func geluAsItIsDefined() {
        let x = (0...26_000).map { Float($0 - 13_000) * 0.001 } + [20, -20, 3e38, .infinity, -3e38, -.infinity, .nan]
        let y = onEveryLevel(x.count) { qk_gelu_at($0, x, x.count, &$1) }
        let expected = x.prefix(26_001).map { Double($0) / 2 * erfc(-Double($0) / 2.squareRoot()) }
        #expect(largestError(Array(y.prefix(26_001)), expected) <= 6)
        #expect(isSame(Array(y.suffix(7)), [20, 0, 3e38, .infinity, 0, 0, .nan]))
    }

    @Test func reluAndSiluAlone() {
        let x = (0...8000).map { Float($0 - 4000) * 0.01 } + [0, -0.0, 3e38, .infinity, .nan]
        let relu = onEveryLevel(x.count) { qk_relu_at($0, x, x.count, &$1) }
        #expect(isSame(relu, x.map { $0 < 0 ? 0 : $0 }))
        let silu = onEveryLevel(x.count) { qk_silu_at($0, x, x.count, &$1) }
        #expect(largestError(silu, x.map { $0 == .infinity ? .infinity : Double($0) / (1 + exp(-Double($0))) }) <= 3)
    }

    @Test(arguments: [1, 15, 16, 17, 100, 2049])
    func norms(_ count: Int) {
        var random = SeededGenerator(seed: 2)
        let x = random.floats(count).map { $0 + 3 }, weight = random.floats(count), bias = random.floats(count)
        let mean = x.reduce(0.0) { $0 + Double($1) } / Double(count)
        let variance = x.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(count)
        let square = x.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(count)
        let rms = onEveryLevel(count) { qk_rmsNorm_at($0, x, weight, count, 1e-5, &$1) }
        let factor = 1 / (square + Double(Float(1e-5))).squareRoot()
        #expect(largestError(rms, zip(x, weight).map { Double($0) * factor * Double($1) }) <= 3)
        let layer = onEveryLevel(count) { qk_layerNorm_at($0, x, weight, bias, count, 1e-5, &$1) }
        for i in 0..<count {
            let product = (Double(x[i]) - mean) / (variance + Double(Float(1e-5))).squareRoot() * Double(weight[i])
            let unit = Double(max(abs(Float(product + Double(bias[i]))), abs(bias[i])).ulp)
            #expect(abs(Double(layer[i]) - product - Double(bias[i])) <= 4 * unit)
        }
    }

    @Test(arguments: [1, 2, 16, 31, 1000])
    func softmax(_ count: Int) {
        var random = SeededGenerator(seed: 3)
        var x = random.floats(count).map { $0 * 12 }
        if count > 2 { x[1] = -.infinity }
        let y = onEveryLevel(count) { level, y in
            y = x
            qk_softmax_at(level, &y, count)
        }
        let largest = x.max() ?? 0
        // The difference to the largest is rounded to float32 before the exponential: that is part of the definition.
        let exponentials = x.map { exp(Double($0 - largest)) }
        let sum = exponentials.reduce(0, +)
        #expect(largestError(y, exponentials.map { $0 / sum }) <= 3)
        for bad in [[Float.nan, 1, 2], [-.infinity, -.infinity], [1, .infinity]] {
            let y = onEveryLevel(bad.count) { level, y in
                y = bad
                qk_softmax_at(level, &y, bad.count)
            }
            #expect(y.contains { $0.isNaN })
        }
    }

    @Test(arguments: [1, 8, 33])
    func rotatesHalves(_ half: Int) {
        var random = SeededGenerator(seed: 4)
        let x = random.floats(2 * half), angles = random.floats(half).map { $0 * 3 }
        let cosines = angles.map { cosf($0) }, sines = angles.map { sinf($0) }
        let y = onEveryLevel(2 * half) { level, y in
            y = x
            qk_rotateHalves_at(level, &y, cosines, sines, half)
        }
        for i in 0..<half {
            let a = Double(x[i]), b = Double(x[half + i]), cosine = Double(cosines[i]), sine = Double(sines[i])
            #expect(abs(Double(y[i]) - (a * cosine - b * sine)) < 2e-7)
            #expect(abs(Double(y[half + i]) - (b * cosine + a * sine)) < 2e-7)
        }
    }

    @Test func addsScaled() {
        var random = SeededGenerator(seed: 5)
        let x = random.floats(77), start = random.floats(77)
        let y = onEveryLevel(77) { level, y in
            y = start
            qk_addScaled_at(level, 0.7, x, 77, &y)
        }
        #expect(y == zip(x, start).map { $1.addingProduct(0.7, $0) })
    }
}
