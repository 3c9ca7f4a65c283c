import CKernels

/// Codes of other quantizers, decoded in memory: rows of 4096 elements, or panels of 4096 inputs by 128 outputs.
struct PackedBenchmark {
    private let count = 1 << 22
    private let inputs = 4096
    private let outputs = 128

    func run() {
        let values = [Float](repeating: 1, count: count)
        var copy = values
        let copySeconds = Measurement {
            copy.withUnsafeMutableBytes { copy in values.withUnsafeBytes { copy.copyMemory(from: $0) } }
        }.seconds
        let report = Report(copyBytesPerSecond: Double(8 * count) / copySeconds)
        print("codes of other quantizers, \(count) elements, one thread, medians of 9 runs")
        report.line("", "G values/s", "target", "GB/s", "% of copy")
        for (name, code, groupSize, bits) in [
            ("FP8, blocks of 128", QK_CODE_E4M3, 128, 8), ("FP8, runs of 32", QK_CODE_E4M3, 32, 8), ("INT8, rows", QK_CODE_I8, 4096, 8),
            ("FP4, runs of 32", QK_CODE_E2M1, 32, 4), ("AWQ gemv, groups of 128", QK_CODE_U4, 128, 4),
        ] {
            rows(name, code, groupSize: groupSize, bits: bits, report)
        }
        for bits in [2, 3, 4, 8] { panels("GPTQ, \(bits) bits", QK_COLUMNS_DOWN, bits: bits, report) }
        panels("AWQ gemm", QK_COLUMNS_ACROSS, bits: 4, report)
    }

    private func rows(_ name: String, _ code: qk_code, groupSize: Int, bits: Int, _ report: Report) {
        let codes = [UInt8](repeating: 0x35, count: inputs * bits / 8)
        let scales = [Float](repeating: 0.01, count: inputs / groupSize), zeros = [Float](repeating: 3, count: inputs / groupSize)
        var values = [Float](repeating: 0, count: inputs)
        report.print("decode \(name)", valueCount: count, bytesPerValue: Double(bits) / 8, target: 1) {
            for _ in 0..<count / inputs { qk_scaledCodes(code, codes, inputs, 0, groupSize, scales, zeros, 1, &values) }
        }
    }

    private func panels(_ name: String, _ order: qk_columnOrder, bits: Int, _ report: Report) {
        let words = [UInt32](repeating: 0x7654_3210, count: inputs * outputs * bits / 32)
        let groups = (0..<inputs).map { UInt32($0 / 128) }
        let scales = [Float](repeating: 0.01, count: inputs / 128 * outputs), zeros = [Float](repeating: 8, count: inputs / 128 * outputs)
        var values = [Float](repeating: 0, count: inputs * outputs)
        words.withUnsafeBufferPointer { words in
            groups.withUnsafeBufferPointer { groups in
                scales.withUnsafeBufferPointer { scales in
                    zeros.withUnsafeBufferPointer { zeros in
                        var columns = qk_columns(
                            order: order, bits: UInt32(bits), inputCount: inputs, outputCount: outputs, words: words.baseAddress,
                            groups: groups.baseAddress, scales: scales.baseAddress, zeros: zeros.baseAddress)
                        report.print("decode \(name)", valueCount: count, bytesPerValue: Double(bits) / 8, target: 1) {
                            for _ in 0..<count / (inputs * outputs) { qk_columns_decode(&columns, &values) }
                        }
                    }
                }
            }
        }
    }
}
