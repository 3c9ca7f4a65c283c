import CKernels
import ToolSupport

/// Kernels on this processor against their scalar twins: the same bits are promised of every level.
///
/// One of each family whose instructions differ, on numbers of all magnitudes; the test suite tries all of them, and their edges.
struct KernelSelfTest {
    struct Outcome {
        let kernel: String
        /// Levels above plain C that give other bits.
        let failures: [String]
    }

    private let count = 1 << 13
    private let floats: [Float]
    private let bytes: [UInt8]

    init() {
        // A linear congruential sequence (Knuth's MMIX): the same numbers on every machine.
        var state: UInt64 = 42
        func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        // Of about 1e-4 to 1e4 in magnitude, with both signs and some zeros.
        floats = (0..<count).map { index in
            let unit = Float(next() & 0xffff) / 65536 - 0.5
            return index % 97 == 0 ? 0 : unit * Float(sign: .plus, exponent: Int(next() % 27) - 13, significand: 1)
        }
        bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    /// All that were tried.
    func run() -> [Outcome] {
        let levels = [QK_AVX2, QK_AVX512].filter { $0.rawValue <= qk_simd_best().rawValue }
        var outcomes = checks.map { name, result in
            let expected = result(QK_SCALAR)
            return Outcome(kernel: name, failures: levels.filter { result($0) != expected }.map(\.title))
        }
        let same = qk_crc32c(7, bytes, count) == qk_crc32c_scalar(7, bytes, count)
        outcomes.append(Outcome(kernel: "checksums", failures: same ? [] : [qk_simd_best().title]))
        return outcomes
    }

    /// Name, and the bits of what a level gives.
    private var checks: [(String, (qk_simd) -> [UInt8])] {
        [
            ("widening", widened), ("narrowing", narrowed), ("4-bit quantization", quantized), ("4-bit dequantization", dequantized),
            ("activations", activated), ("norms", normed), ("softmax", probabilities), ("products of vectors", dots),
            ("products of tiles", tile), ("products in integers", integerDots), ("products in double precision", blocks),
            ("statistics", summaries), ("optimizer steps", steps),
        ]
    }

    private func raw<Element: BitwiseCopyable>(_ values: [Element]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

    private func widened(_ level: qk_simd) -> [UInt8] {
        [(QK_F64, 8), (QK_F16, 2), (QK_BF16, 2), (QK_F8_E4M3, 1), (QK_F8_E5M2, 1)].flatMap { type, size in
            var result = [Float](repeating: 0, count: count / size)
            qk_widen_at(level, type, bytes, count / size, &result)
            // A NaN has no one spelling of its payload.
            return raw(result.map { $0.isNaN ? 1 : $0 })
        }
    }

    private func narrowed(_ level: qk_simd) -> [UInt8] {
        [QK_F16, QK_BF16].flatMap { type in
            var result = [UInt16](repeating: 0, count: count)
            qk_narrow_at(level, type, floats, count, &result)
            return raw(result)
        }
    }

    private func packed(_ level: qk_simd) -> (codes: [UInt8], absmax: [Float]) {
        var codes = [UInt8](repeating: 0, count: count / 2), absmax = [Float](repeating: 0, count: count / 64)
        _ = qk_quantize4_at(level, QK_NF4, QK_F32, floats, count, 64, &codes, &absmax)
        return (codes, absmax)
    }

    private func quantized(_ level: qk_simd) -> [UInt8] {
        let (codes, absmax) = packed(level)
        return codes + raw(absmax)
    }

    private func dequantized(_ level: qk_simd) -> [UInt8] {
        let (codes, absmax) = packed(QK_SCALAR), map = Array(floats[1..<17])
        return [QK_F32, QK_BF16].flatMap { type in
            var result = [UInt8](repeating: 0, count: count * (type == QK_F32 ? 4 : 2))
            qk_dequantize4_at(level, map, codes, absmax, count, 64, type, &result)
            return result
        }
    }

    private func activated(_ level: qk_simd) -> [UInt8] {
        [QK_GELU, QK_GELU_TANH, QK_RELU, QK_SILU, QK_RELU_SQUARED].flatMap { activation in
            var result = [Float](repeating: 0, count: count)
            qk_activate_at(level, activation, floats, count, &result)
            return raw(result)
        }
    }

    private func normed(_ level: qk_simd) -> [UInt8] {
        [false, true].flatMap { centers in
            floats.withUnsafeBufferPointer { weight in
                var norm = qk_norm()
                norm.weight = weight.baseAddress
                norm.width = 1000
                norm.epsilon = 1e-5
                norm.centers = centers
                norm.period = 1
                norm.stride = 1000
                var result = [Float](repeating: 0, count: 8000)
                qk_norm_at(level, &norm, floats, 8, nil, nil, &result)
                return raw(result)
            }
        }
    }

    private func probabilities(_ level: qk_simd) -> [UInt8] {
        var scores = floats, loss = 0.0, logits = floats
        qk_softmax_at(level, &scores, 8, 1000, 990, 0, 0.125, 0, nil)
        qk_crossEntropy_at(level, &logits, count, 17, 1, 30, &loss)
        return raw(Array(scores[..<8000])) + raw(logits) + raw([loss])
    }

    private func dots(_ level: qk_simd) -> [UInt8] {
        bytes.withUnsafeBufferPointer { values in
            var matrix = qk_matrix()
            matrix.storage = QK_MATRIX_DENSE
            matrix.type = QK_F8_E5M2
            matrix.values = values.baseAddress
            (matrix.rowCount, matrix.columnCount) = (8, 1000)
            var result = [Float](repeating: 0, count: 16)
            qk_matdot_at(level, &matrix, 0, 8, floats, 1000, 2, &result, 8)
            return raw(result.map { $0.isNaN ? 1 : $0 })
        }
    }

    private func tile(_ level: qk_simd) -> [UInt8] {
        let stride = QK_MATMUL_STRIDE, width = Int(qk_matmul_width(level))
        var panel = [Float](repeating: 0, count: 256 * width), result = [Float](repeating: 0, count: 4 * width)
        qk_matmul_panel_at(level, floats, 256, 16, 256, &panel)
        qk_matmul_tile_at(level, Array(floats.suffix(4 * stride)), 4, 256, panel, &result, width, false)
        // Wider panels have more columns of zeros.
        return (0..<4).flatMap { raw(Array(result[$0 * width..<$0 * width + 16])) }
    }

    private func integerDots(_ level: qk_simd) -> [UInt8] {
        let (codes, absmax) = packed(QK_SCALAR), scales = raw(absmax)
        return codes.withUnsafeBufferPointer { codes in
            scales.withUnsafeBufferPointer { scales in
                var matrix = qk_matrix()
                matrix.storage = QK_MATRIX_PACKED4
                matrix.values = codes.baseAddress
                matrix.absmax = scales.baseAddress
                (matrix.rowCount, matrix.columnCount, matrix.blockSize) = (16, 512, 64)
                withUnsafeMutableBytes(of: &matrix.quantMap) { map in
                    for index in 0..<16 { map.storeBytes(of: Float(index) / 8 - 1, toByteOffset: 4 * index, as: Float.self) }
                }
                var quantized = [Int16](repeating: 0, count: 512), activationScales = [Float](repeating: 0, count: 8)
                var result = [Float](repeating: 0, count: 16)
                qk_matmul16_quantize_at(level, &matrix, floats, &quantized, &activationScales)
                qk_matmul16_dots_at(level, &matrix, 0, 16, quantized, activationScales, 1, &result, 16)
                return raw(result)
            }
        }
    }

    private func blocks(_ level: qk_simd) -> [UInt8] {
        let a = floats[..<4096].map(Double.init), b = floats[4096...].map(Double.init)
        var result = a
        qk_block64_multiply_at(level, a, b, 64, true, &result)
        return raw(result)
    }

    private func summaries(_ level: qk_simd) -> [UInt8] {
        var runs = [qk_summary](repeating: qk_summary_empty, count: 2)
        qk_summarize_at(level, QK_F32, floats, count, &runs)
        return runs.flatMap { raw([$0.mean, $0.squares, $0.minimum, $0.maximum]) + raw([$0.finite, $0.zeros]) }
    }

    private func steps(_ level: qk_simd) -> [UInt8] {
        let constants = qk_adamw(
            decay: 0.99, gain1: 0.1, keep2: 0.999, gain2: 0.001, stepSize: 1e-3, correction2: 0.03, epsilon: 1e-8, gradientScale: 0.5)
        var first = [Float](repeating: 0, count: count), second = first, parameters = Array(floats.reversed())
        var sum = 0.0
        qk_adamw_step_at(level, constants, floats, count, &first, &second, &parameters)
        qk_sumOfSquares_at(level, parameters, count, &sum)
        return raw(first) + raw(second) + raw(parameters) + raw([sum])
    }
}
