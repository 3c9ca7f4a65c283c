import CKernels
import COpenBLAS
import Parallelism
import Platform
import Quantization
import TensorCore
import Transformer

/// Products with stored weights, on all threads, beside what memory and OpenBLAS can do.
struct MatrixBenchmark {
    private let pool = WorkerPool()
    private let engine: MatrixEngine
    private let memory: BenchmarkMemory
    private let readBytesPerSecond: Double
    private let sgemmFlops: Double

    init() {
        engine = MatrixEngine(pool: pool)
        memory = BenchmarkMemory(byteCount: 1 << 30, pool: pool)
        readBytesPerSecond = memory.readBytesPerSecond(pool: pool)
        sgemmFlops = Self.sgemmFlops(threadCount: pool.threadCount)
    }

    func run() {
        print("matrix products, \(Self.name(of: engine.level)), \(pool.threadCount) threads, medians of 9 runs by the clock")
        print("  ceilings: memory read \(shown(readBytesPerSecond * 1e-9)) GB/s, OpenBLAS sgemm \(shown(sgemmFlops * 1e-9)) GFLOP/s")
        print("  one row of x (decode): GB/s of weights as stored, share of the memory read")
        for (outputCount, inputCount) in [(4096, 14336), (2048, 2048), (5632, 2048), (2048, 5632)] {
            decode("NF4, \(outputCount) x \(inputCount), fast", .nf4, outputCount, inputCount, precision: .fast, target: "65 %")
        }
        decode("NF4, 4096 x 14336", .nf4, 4096, 14336, precision: .balanced, target: "1.2 ms")
        decode("NF4, 2048 x 2048", .nf4, 2048, 2048, precision: .balanced, target: "60 %")
        decode("NF4, 5632 x 2048", .nf4, 5632, 2048, precision: .balanced, target: "60 %")
        decode("NF4, 2048 x 5632", .nf4, 2048, 5632, precision: .balanced, target: "60 %")
        decode("NF4, 2048 x 5632, exact", .nf4, 2048, 5632, precision: .exact)
        decode("8-bit head, 32000 x 2048", .bytes, 32000, 2048, precision: .balanced, target: "60 %")
        for format in Self.formats {
            decode("\(format.name), 5632 x 2048", .blocks(format), 5632, 2048, precision: .balanced, target: "60 %")
        }
        decode("Q4_K, 5632 x 2048, exact", .blocks(.q4K), 5632, 2048, precision: .exact)
        decode("IQ3_S, 5632 x 2048, exact", .blocks(.iq3S), 5632, 2048, precision: .exact)
        decode("F16, 5632 x 2048", .f16, 5632, 2048, precision: .exact, target: "60 %")
        decode("BF16, 5632 x 2048", .bf16, 5632, 2048, precision: .exact, target: "60 %")
        decode("F32, 5632 x 2048", .f32, 5632, 2048, precision: .exact, target: "60 %")
        decode("F16 as [in, out], 3072 x 768", .f16, 3072, 768, orientation: .inputsByOutputs, precision: .exact)
        token(.fast)
        token(.balanced)
        print("  512 rows of x (prefill, training): GFLOP/s, share of sgemm")
        prefill("NF4, 5632 x 2048", .nf4, precision: .balanced, target: "170 GFLOP/s")
        prefill("NF4, 5632 x 2048, exact", .nf4, precision: .exact, target: "100 %")
        for format in Self.formats { prefill("\(format.name), 5632 x 2048", .blocks(format), precision: .balanced, target: "170 GFLOP/s") }
        prefill("F16, 5632 x 2048", .f16, precision: .exact, target: "100 %")
        prefill("NF4, 5632 x 2048, backward", .nf4, precision: .exact, isBackward: true, target: "100 %")
        prefill("F32, 5632 x 2048, backward", .f32, precision: .exact, isBackward: true, target: "100 %")
        lowRank()
        attention()
    }

    private enum Form { case nf4, bytes, f16, bf16, f32, blocks(BlockFormat) }
    private static let formats: [BlockFormat] = [.q40, .q80, .q4K, .q6K]

    private func weight(
        _ form: Form, _ outputCount: Int, _ inputCount: Int, orientation: Orientation = .outputsByInputs, at byteOffset: Int
    ) -> WeightMatrix {
        memory.rewind(to: byteOffset)
        switch form {
        case .nf4: return memory.nf4(outputCount: outputCount, inputCount: inputCount)
        case .bytes: return memory.dense(.f16, outputCount: outputCount, inputCount: inputCount).quantizedToBytes(pool: pool)
        case .f16: return memory.dense(.f16, outputCount: outputCount, inputCount: inputCount, orientation: orientation)
        case .bf16: return memory.dense(.bf16, outputCount: outputCount, inputCount: inputCount, orientation: orientation)
        case .f32: return memory.dense(.f32, outputCount: outputCount, inputCount: inputCount, orientation: orientation)
        case .blocks(let format): return memory.blocks(format, outputCount: outputCount, inputCount: inputCount)
        }
    }

    private func byteCount(_ form: Form) -> Double {
        switch form {
        case .nf4: 0.5 + 1.0 / 64
        case .bytes: 1.0625
        case .f16, .bf16: 2
        case .f32: 4
        case .blocks(let format): Double(format.bytesPerBlock) / Double(format.elementsPerBlock)
        }
    }

    /// Weights of other places in memory come in between, as in a model: none is in a cache when its turn comes.
    private func decode(
        _ name: String, _ form: Form, _ outputCount: Int, _ inputCount: Int, orientation: Orientation = .outputsByInputs,
        precision: MatrixEngine.Precision,
        target: String = ""
    ) {
        let bytes = byteCount(form) * Double(outputCount * inputCount), copyCount = max(1, min(32, Int(400e6 / bytes)))
        var next = 0
        let weights = (0..<copyCount).map { _ in
            let weight = weight(form, outputCount, inputCount, orientation: orientation, at: next)
            next = memory.used
            return weight
        }
        let x = [Float](repeating: 0.5, count: inputCount)
        var y = [Float](repeating: 0, count: outputCount)
        let seconds =
            ClockMeasurement {
                x.withUnsafeBufferPointer { x in
                    y.withUnsafeMutableBufferPointer { y in
                        for weight in weights { engine.multiply(x, rowCount: 1, by: weight, precision: precision, into: y) }
                    }
                }
            }.seconds / Double(copyCount)
        line(name, "\(shown(seconds * 1e3)) ms", "\(shown(bytes / seconds * 1e-9)) GB/s", bytes / seconds / readBytesPerSecond, target)
    }

    private static func name(of level: qk_simd) -> String {
        switch level {
        case QK_AVX512: "AVX-512"
        case QK_AVX2: "AVX2"
        default: "plain C"
        }
    }

    /// All matrix products of a token with TinyLlama's shapes, each weight in memory of its own.
    private func token(_ precision: MatrixEngine.Precision) {
        let width = 2048, inner = 5632
        memory.rewind(to: 0)
        let layers = (0..<22).map { _ in
            [(width, width), (256, width), (256, width), (width, width), (inner, width), (inner, width), (width, inner)].map {
                memory.nf4(outputCount: $0.0, inputCount: $0.1)
            }
        }
        let head = memory.dense(.f16, outputCount: 32000, inputCount: width).quantizedToBytes(pool: pool)
        let count = layers.joined().reduce(0) { $0 + $1.outputCount * $1.inputCount }
        let bytes = Double(count) * (0.5 + 1.0 / 64) + 32000 * Double(width) * 1.0625
        let x = [Float](repeating: 0.5, count: inner)
        let outputs = (0..<3).map { _ in UnsafeMutableBufferPointer<Float>.allocate(capacity: 32000) }
        defer { outputs.forEach { $0.deallocate() } }
        let seconds = ClockMeasurement {
            x.withUnsafeBufferPointer { x in
                let narrow = UnsafeBufferPointer(rebasing: x[..<width])
                for layer in layers {
                    for group in [0..<3, 3..<4, 4..<6, 6..<7] {
                        let weights = Array(layer[group])
                        let results = weights.enumerated().map { UnsafeMutableBufferPointer(rebasing: outputs[$0][..<$1.outputCount]) }
                        let input = weights[0].inputCount == width ? narrow : x
                        engine.multiply(input, rowCount: 1, by: weights, precision: precision, into: results)
                    }
                }
                engine.multiply(narrow, rowCount: 1, by: head, precision: precision, into: outputs[0])
            }
        }.seconds
        line(
            "TinyLlama, a token, \(precision.rawValue)", "\(shown(1 / seconds)) /s", "\(shown(bytes / seconds * 1e-9)) GB/s",
            bytes / seconds / readBytesPerSecond, "60 %")
    }

    private func prefill(
        _ name: String, _ form: Form, precision: MatrixEngine.Precision, isBackward: Bool = false, target: String
    ) {
        let outputCount = 5632, inputCount = 2048, rowCount = 512
        let weight = weight(form, outputCount, inputCount, at: 0)
        let x = [Float](repeating: 0.5, count: rowCount * (isBackward ? outputCount : inputCount))
        var y = [Float](repeating: 0, count: rowCount * (isBackward ? inputCount : outputCount))
        let seconds = ClockMeasurement {
            x.withUnsafeBufferPointer { x in
                y.withUnsafeMutableBufferPointer { y in
                    if isBackward {
                        engine.multiplyTransposed(x, rowCount: rowCount, by: weight, into: y)
                    } else {
                        engine.multiply(x, rowCount: rowCount, by: weight, precision: precision, into: y)
                    }
                }
            }
        }.seconds
        flops(name, 2 * Double(outputCount * inputCount * rowCount), seconds, target)
    }

    /// The products of an adapter of rank 16 with 1024 rows of x.
    private func lowRank() {
        for (name, m, n, k, transposesA, transposesB) in [
            ("adapter, x A^T", 1024, 16, 2048, false, true), ("adapter, (x A^T) B^T", 1024, 2048, 16, false, true),
            ("adapter, gradient of A", 16, 2048, 1024, true, false),
        ] {
            let a = [Float](repeating: 0.5, count: m * k), b = [Float](repeating: 0.5, count: k * n)
            var c = [Float](repeating: 0, count: m * n)
            let seconds = ClockMeasurement {
                a.withUnsafeBufferPointer { a in
                    b.withUnsafeBufferPointer { b in
                        c.withUnsafeMutableBufferPointer {
                            engine.product(a, transposesA: transposesA, b, transposesB: transposesB, m: m, n: n, k: k, into: $0)
                        }
                    }
                }
            }.seconds
            flops(name, 2 * Double(m * n * k), seconds, "")
        }
    }

    /// 512 positions at once, and one alone, behind few others and behind many, with TinyLlama's heads.
    private func attention() {
        let headCount = 32, kvHeadCount = 4, headSize = 64, positions = 16_384, width = kvHeadCount * headSize
        let keys = [UInt16](repeating: 0x3400, count: positions * width), values = keys
        for (name, queryCount, firstPosition) in [
            ("attention, 512 queries", 512, 0), ("attention, 512 queries behind 15872", 512, 15_872),
            ("attention, position 1023", 1, 1023), ("attention, position 16383", 1, 16_383),
        ] {
            let q = [Float](repeating: 0.1, count: queryCount * headCount * headSize)
            var y = q
            let seconds = ClockMeasurement {
                keys.withUnsafeBytes { keys in
                    values.withUnsafeBytes { values in
                        guard let keyStart = keys.baseAddress, let valueStart = values.baseAddress else { return }
                        let cache = MatrixEngine.AttentionCache(
                            type: QK_F16, keys: keyStart, values: valueStart, kvHeadCount: kvHeadCount, headSize: headSize,
                            stride: headSize,
                            headStride: positions * headSize)
                        q.withUnsafeBufferPointer { q in
                            y.withUnsafeMutableBufferPointer {
                                engine.attend(
                                    q, queryCount: queryCount, firstPosition: firstPosition, headCount: headCount, scale: 0.125,
                                    cache: cache, into: $0)
                            }
                        }
                    }
                }
            }.seconds
            let pairs = (0..<queryCount).reduce(0) { $0 + firstPosition + $1 + 1 }
            flops(name, 4 * Double(pairs * headCount * headSize), seconds, "")
        }
    }

    private func flops(_ name: String, _ count: Double, _ seconds: Double, _ target: String) {
        line(name, "\(shown(seconds * 1e3)) ms", "\(shown(count / seconds * 1e-9)) GFLOP/s", count / seconds / sgemmFlops, target)
    }

    private func line(_ name: String, _ time: String, _ speed: String, _ share: Double, _ target: String) {
        let columns = [(time, 12), (speed, 16), ("\(Int((share * 100).rounded())) %", 8)].map { text, width in
            String(repeating: " ", count: max(1, width - text.count)) + text
        }
        let name = "    " + name + String(repeating: " ", count: max(0, 38 - name.count))
        print(name + columns.joined() + (target.isEmpty ? "" : "   target \(target)"))
    }

    private func shown(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded()), fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }

    /// OpenBLAS on square matrices of 1536.
    private static func sgemmFlops(threadCount: Int) -> Double {
        let n = 1536
        let a = [Float](repeating: 0.5, count: n * n)
        var c = [Float](repeating: 0, count: n * n)
        openblas_set_num_threads(Int32(threadCount))
        let seconds = ClockMeasurement {
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, Int32(n), Int32(n), Int32(n), 1, a, Int32(n), a, Int32(n), 0, &c, Int32(n))
        }.seconds
        return 2 * Double(n * n * n) / seconds
    }
}
