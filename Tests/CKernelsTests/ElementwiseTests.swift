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

    private func activated(_ activation: qk_activation, _ x: [Float]) -> [Float] {
        onEveryLevel(x.count) { qk_activate_at($0, activation, x, x.count, &$1) }
    }

    @Test func geluInItsTanhForm() {
        let x = (0...8000).map { Float($0 - 4000) * 0.001 } + [30, -30, 1e5, -1e5, 3e38, .infinity]
        let y = activated(QK_GELU_TANH, x)
        let expected = x.map { x in
            // As x / (1 + e^-2u): 1 + tanh(u) has no digits left for large negative u, not even in double.
            Double(x) / (1 + exp(-2 * (2 / Double.pi).squareRoot() * (Double(x) + 0.044715 * Double(x) * Double(x) * Double(x))))
        }
        #expect(largestError(Array(y.prefix(8001)), Array(expected.prefix(8001))) <= 16)
        #expect(Array(y.suffix(6)) == [30, -0.0, 1e5, -0.0, 3e38, .infinity])
    }

    @Test func geluAsItIsDefined() {
        let x = (0...26_000).map { Float($0 - 13_000) * 0.001 } + [20, -20, 3e38, .infinity, -3e38, -.infinity, .nan]
        let y = activated(QK_GELU, x)
        let expected = x.prefix(26_001).map { Double($0) / 2 * erfc(-Double($0) / 2.squareRoot()) }
        #expect(largestError(Array(y.prefix(26_001)), expected) <= 6)
        #expect(isSame(Array(y.suffix(7)), [20, 0, 3e38, .infinity, 0, 0, .nan]))
    }

    @Test func reluAndSilu() {
        let x = (0...8000).map { Float($0 - 4000) * 0.01 } + [0, -0.0, 3e38, .infinity, .nan]
        #expect(isSame(activated(QK_RELU, x), x.map { $0 < 0 ? 0 : $0 }))
        #expect(isSame(activated(QK_RELU_SQUARED, x), x.map { $0 < 0 ? 0 : $0 * $0 }))
        let silu = activated(QK_SILU, x)
        #expect(largestError(silu, x.map { $0 == .infinity ? .infinity : Double($0) / (1 + exp(-Double($0))) }) <= 3)
    }

    @Test(arguments: [QK_GELU, QK_GELU_TANH, QK_RELU, QK_SILU, QK_RELU_SQUARED])
    func gatesAreTheActivationTimesUp(_ activation: qk_activation) {
        var random = SeededGenerator(seed: 1)
        let gate = random.floats(999).map { $0 * 30 } + [0, -0.0, 200, -200, .nan], up = random.floats(1004).map { $0 * 3 }
        let y = onEveryLevel(gate.count) { qk_gated_at($0, activation, gate, up, gate.count, &$1) }
        #expect(isSame(y, zip(activated(activation, gate), up).map { $0 * $1 }))
    }

    @Test(arguments: [1, 15, 16, 17, 100, 2049])
    func norms(_ width: Int) {
        var random = SeededGenerator(seed: 2)
        let x = random.floats(2 * width).map { $0 + 3 }, weight = random.floats(width), bias = random.floats(width)
        func normed(centers: Bool, addsOne: Bool, hasBias: Bool) -> [Float] {
            weight.withUnsafeBufferPointer { weight in
                bias.withUnsafeBufferPointer { bias in
                    var norm = qk_norm(
                        weight: weight.baseAddress, bias: hasBias ? bias.baseAddress : nil, width: width, epsilon: 1e-5, centers: centers,
                        addsOne: addsOne, period: 1, stride: width)
                    return onEveryLevel(2 * width) { qk_norm_at($0, &norm, x, 2, nil, nil, &$1) }
                }
            }
        }
        for addsOne in [false, true] {
            let rms = normed(centers: false, addsOne: addsOne, hasBias: false)
            let layer = normed(centers: true, addsOne: addsOne, hasBias: true)
            let bare = normed(centers: true, addsOne: addsOne, hasBias: false)
            for row in 0..<2 {
                let values = x[row * width..<(row + 1) * width].map { Double($0) }
                let mean = values.reduce(0, +) / Double(width)
                let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
                let square = values.reduce(0) { $0 + $1 * $1 } / Double(width)
                for i in 0..<width {
                    let gain = Double(addsOne ? weight[i] + 1 : weight[i]), place = row * width + i
                    #expect(ulps(rms[place], values[i] / (square + Double(Float(1e-5))).squareRoot() * gain) <= 3)
                    let product = (values[i] - mean) / (variance + Double(Float(1e-5))).squareRoot() * gain
                    let unit = Double(max(abs(Float(product + Double(bias[i]))), abs(bias[i])).ulp)
                    #expect(abs(Double(layer[place]) - product - Double(bias[i])) <= 4 * unit)
                    #expect(ulps(bare[place], product) <= 4 || abs(Double(bare[place]) - product) < 1e-12)
                }
            }
        }
    }

    private func softmaxed(_ x: [Float], scale: Float = 1, cap: Float = 0) -> [Float] {
        onEveryLevel(x.count) { level, y in
            y = x
            qk_softmax_at(level, &y, 1, x.count, x.count, 0, scale, cap, nil)
        }
    }

    @Test(arguments: [1, 2, 16, 31, 1000])
    func softmax(_ count: Int) {
        var random = SeededGenerator(seed: 3)
        var x = random.floats(count).map { $0 * 12 }
        if count > 2 { x[1] = -.infinity }
        // The difference to the largest is rounded to float32 before the exponential: that is part of the definition.
        func expected(_ x: [Float]) -> [Double] {
            let largest = x.max() ?? 0
            let exponentials = x.map { exp(Double($0 - largest)) }
            let sum = exponentials.reduce(0, +)
            return exponentials.map { $0 / sum }
        }
        #expect(largestError(softmaxed(x), expected(x)) <= 3)
        #expect(largestError(softmaxed(x, scale: 0.3), expected(x.map { $0 * 0.3 })) <= 3)
        let capped = onEveryLevel(count) { level, y in
            y = x.map { $0 * 0.3 }
            qk_cap_at(level, 2, count, &y)
        }
        #expect(isSame(softmaxed(x, scale: 0.3, cap: 2), softmaxed(capped)))
        for bad in [[Float.nan, 1, 2], [-.infinity, -.infinity], [1, .infinity]] {
            #expect(softmaxed(bad).contains { $0.isNaN })
        }
    }

    @Test func capsByTheHyperbolicTangent() {
        let x = (0...40_000).map { Float($0 - 20_000) * 0.01 } + [1e-30, -1e-6, 3e38, -.infinity, .nan, 0, -0.0]
        let y = onEveryLevel(x.count) { level, y in
            y = x
            qk_cap_at(level, 30, x.count, &y)
        }
        #expect(largestError(y, x.map { Double(30 * tanh(Double($0) / 30)) }) <= 4)
    }

    @Test(arguments: [1, 8, 33])
    func rotatesHalves(_ half: Int) {
        var random = SeededGenerator(seed: 4)
        let x = random.floats(2 * half), angles = random.floats(half).map { $0 * 3 }
        let cosines = angles.map { cosf($0) }, sines = angles.map { sinf($0) }
        let y = onEveryLevel(2 * half) { level, y in
            y = x
            var rotation = qk_rotation(heads: 1, headWidth: 2 * half, half: half, neighbours: false)
            qk_rotate_at(level, &rotation, &y, 1, 2 * half, cosines, sines, 1)
        }
        for i in 0..<half {
            let a = Double(x[i]), b = Double(x[half + i]), cosine = Double(cosines[i]), sine = Double(sines[i])
            #expect(abs(Double(y[i]) - (a * cosine - b * sine)) < 2e-7)
            #expect(abs(Double(y[half + i]) - (b * cosine + a * sine)) < 2e-7)
        }
    }

    /// Of two heads of seven elements the first four, in pairs either way; the others stay.
    @Test(arguments: [false, true])
    func rotatesPartsOfHeads(neighbours: Bool) {
        var random = SeededGenerator(seed: 6)
        let x = random.floats(14), angles = random.floats(2).map { $0 * 3 }
        let cosines = angles.map { cosf($0) }, sines = angles.map { sinf($0) }
        let y = onEveryLevel(14) { level, y in
            y = x
            var rotation = qk_rotation(heads: 2, headWidth: 7, half: 2, neighbours: neighbours)
            qk_rotate_at(level, &rotation, &y, 1, 14, cosines, sines, 1)
        }
        var expected = x.map { Double($0) }
        for head in [0, 7] {
            for i in 0..<2 {
                let (first, second) = neighbours ? (head + 2 * i, head + 2 * i + 1) : (head + i, head + 2 + i)
                let a = Double(x[first]), b = Double(x[second]), cosine = Double(cosines[i]), sine = Double(sines[i])
                (expected[first], expected[second]) = (a * cosine - b * sine, b * cosine + a * sine)
            }
        }
        #expect(zip(y, expected).allSatisfy { abs(Double($0) - $1) < 2e-7 })
    }

    @Test func clampsAndKeepsWhatIsNoNumber() {
        let x: [Float] = [0, 3, -3, 2, -2, 2.5, .infinity, -.infinity, .nan]
        let y = onEveryLevel(x.count) { qk_clamp_at($0, 2, x, x.count, &$1) }
        #expect(isSame(y, [0, 2, -2, 2, -2, 2, 2, -2, .nan]))
    }

    /// Rows whose weights take turns.
    @Test(arguments: [false, true])
    func normsOfSeveralRowsOfWeights(centers: Bool) {
        var random = SeededGenerator(seed: 7)
        let (width, period) = (5, 3), x = random.floats(6 * width), weight = random.floats(period * width)
        func normed(_ x: [Float], _ weight: [Float], rows: Int, period: Int) -> [Float] {
            weight.withUnsafeBufferPointer { weight in
                var norm = qk_norm(
                    weight: weight.baseAddress, bias: nil, width: width, epsilon: 1e-5, centers: centers, addsOne: false, period: period,
                    stride: width)
                return onEveryLevel(rows * width) { qk_norm_at($0, &norm, x, rows, nil, nil, &$1) }
            }
        }
        let together = normed(x, weight, rows: 6, period: period)
        for row in 0..<6 {
            let own = row * width..<(row + 1) * width, first = row % period * width
            #expect(normed(Array(x[own]), Array(weight[first..<first + width]), rows: 1, period: 1) == Array(together[own]))
        }
    }

    @Test func addsToRows() {
        var random = SeededGenerator(seed: 5)
        let x = random.floats(77), start = random.floats(154)
        let y = onEveryLevel(154) { level, y in
            y = start
            qk_addToRows_at(level, x, 2, 77, &y)
        }
        #expect(y == start.indices.map { start[$0] + x[$0 % 77] })
    }
}
