import CKernels
import TestSupport
import Testing

/// Every level gives the bits of the scalar twin: sums are in lanes, and nothing is fused.
@Suite struct TrainTests {
    private static let widths = [1, 15, 16, 17, 48, 100]

    private static func check(_ level: qk_simd, _ run: (qk_simd) -> [[Float]]) {
        let expected = run(QK_SCALAR), actual = run(level)
        for (a, b) in zip(actual, expected) { #expect(difference(a.map(\.bitPattern), b.map(\.bitPattern)) == nil) }
    }

    @Test(arguments: levels)
    func normsAreTheSame(_ level: qk_simd) {
        var random = SeededGenerator(seed: 3)
        for width in Self.widths {
            let rows = 3, count = rows * width
            let x = random.floats(count), dy = random.floats(count), weight = random.floats(width),
                bias = random.floats(width)
            for centers in [false, true] {
                Self.check(level) { level in
                    var y = [Float](repeating: 0, count: count), r = [Float](repeating: 0, count: rows), means = r
                    var dx = x, dw = weight, db = bias
                    weight.withUnsafeBufferPointer { weight in
                        bias.withUnsafeBufferPointer { bias in
                            var norm = qk_norm(
                                weight: weight.baseAddress, bias: bias.baseAddress, width: width, epsilon: 1e-5, centers: centers,
                                addsOne: !centers, period: 1, stride: width)
                            qk_norm_at(level, &norm, x, rows, &means, &r, &y)
                            qk_norm_backward_at(level, &norm, dy, x, rows, means, r, &dx)
                        }
                    }
                    qk_norm_weightGradient_at(level, dy, x, means, r, rows, width, 1, width, &dw)
                    qk_addRows_at(level, dy, rows, width, width, &db)
                    return [y, means, r, dx, dw, db]
                }
            }
        }
    }

    @Test(arguments: levels)
    func activationsAreTheSame(_ level: qk_simd) {
        var random = SeededGenerator(seed: 4)
        for count in Self.widths {
            let x = random.floats(count).map { $0 * 30 }, up = random.floats(count), dy = random.floats(count)
            let stream = qk_random_stream(seed: 99, step: 3, site: 17)
            Self.check(level) { level in
                var dropped = dy, added = dy
                qk_dropout_at(level, stream, 1 << 30, 4.0 / 3, x, 128, count, &dropped)
                qk_dropout_add_at(level, stream, 1 << 30, 4.0 / 3, x, 128, count, &added)
                return [dropped, added]
            }
            for activation in [QK_GELU, QK_GELU_TANH, QK_RELU, QK_SILU, QK_RELU_SQUARED] {
                Self.check(level) { level in
                    var dx = dy, dgate = dy, dup = dy
                    qk_activate_backward_at(level, activation, x, count, &dx)
                    qk_gated_backward_at(level, activation, x, up, count, &dgate, &dup)
                    return [dx, dgate, dup]
                }
            }
        }
    }

    @Test(arguments: levels)
    func attentionAndLossAreTheSame(_ level: qk_simd) {
        var random = SeededGenerator(seed: 5)
        for (rows, visible, window) in [(1, 1, 0), (5, 3, 0), (17, 20, 0), (17, 20, 6), (4, 1, 3)] {
            let keys = visible + rows - 1
            let scores = random.floats(rows * keys).map { $0 * 5 }, gradients = random.floats(rows * keys)
            for cap: Float in [0, 3] {
                Self.check(level) { level in
                    var p = scores, sums = [Float](repeating: 0, count: rows), again = scores, d = gradients, rotated = gradients
                    qk_softmax_at(level, &p, rows, keys, visible, window, 0.5, cap, &sums)
                    qk_softmax_backward_at(level, &again, &d, rows, keys, visible, window, 0.5, cap, sums)
                    var rotation = qk_rotation(heads: 1, headWidth: keys, half: keys / 2, neighbours: cap > 0)
                    qk_rotate_at(level, &rotation, &rotated, 1, keys, scores, gradients, -1)
                    qk_clamp_backward_at(level, 0.5, scores, keys, &rotated)
                    return [p, sums, again, d, rotated]
                }
            }
        }
        let logits = random.floats(1003).map { $0 * 20 }
        for cap: Float in [0, 15] {
            Self.check(level) { level in
                var row = logits
                var loss = 0.0
                qk_crossEntropy_at(level, &row, 1003, 7, 0.25, cap, &loss)
                var other = logits.map { $0 * 0.5 + 1 }, divergence = 0.0, taught = logits
                qk_divergence_at(level, &taught, &other, 1003, 0.25, cap, &divergence)
                return [row, [Float(loss)], taught, [Float(divergence)]]
            }
        }
    }

    @Test(arguments: levels)
    func optimizersAreTheSame(_ level: qk_simd) {
        var random = SeededGenerator(seed: 6)
        for count in Self.widths {
            let g = random.floats(count), w = random.floats(count)
            let constants = qk_adamw(
                decay: 0.99, gain1: 0.1, keep2: 0.999, gain2: 0.001, stepSize: 0.01, correction2: 0.05, epsilon: 1e-8, gradientScale: 0.5)
            Self.check(level) { level in
                var m = w, v = w.map { $0 * $0 }, p = w, sgd = w
                var sum = 0.0
                qk_adamw_step_at(level, constants, g, count, &m, &v, &p)
                qk_sgd_step_at(level, 0.9, 0.1, 0.5, g, count, &sgd)
                qk_sumOfSquares_at(level, g, count, &sum)
                return [m, v, p, sgd, [Float(sum)]]
            }
        }
    }

    @Test func dropsItsShareAndKeepsTheMean() {
        let count = 100_000
        var y = [Float](repeating: 0, count: count)
        qk_dropout_at(
            QK_SCALAR, qk_random_stream(seed: 1, step: 2, site: 3), 1 << 30, 4.0 / 3, [Float](repeating: 1, count: count), 0, count, &y)
        let dropped = y.filter { $0 == 0 }.count
        // Four standard deviations of a binomial number.
        #expect(abs(dropped - count / 4) < 550)
        #expect(y.allSatisfy { $0 == 0 || $0 == 4.0 / 3 })
    }
}
