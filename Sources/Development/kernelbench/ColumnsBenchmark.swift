import CKernels

/// Codes of GPTQ and AWQ, turned in memory and decoded as F16: panels of 4096 inputs by 512 outputs, groups of 128.
struct ColumnsBenchmark {
    private let inputs = 4096
    private let outputs = 512
    private let gap = 16

    func run() {
        let count = inputs * outputs
        let values = [Float](repeating: 1, count: count)
        var copy = values
        let copySeconds = Measurement {
            copy.withUnsafeMutableBytes { copy in values.withUnsafeBytes { copy.copyMemory(from: $0) } }
        }.seconds
        let report = Report(copyBytesPerSecond: Double(8 * count) / copySeconds)
        print("codes in columns, \(count) elements, one thread, medians of 9 runs")
        report.line("", "G values/s", "target", "GB/s", "% of copy")
        for bits in [2, 3, 4, 8] { panels("GPTQ, \(bits) bits", QK_COLUMNS_DOWN, bits: bits, report) }
        panels("AWQ gemm", QK_COLUMNS_ACROSS, bits: 4, report)
    }

    private func panels(_ name: String, _ order: qk_columnOrder, bits: Int, _ report: Report) {
        let rowCount = order == QK_COLUMNS_DOWN ? inputs * bits / 32 : inputs
        let stride = (order == QK_COLUMNS_DOWN ? outputs : outputs / 8) + gap, rowStride = inputs * bits / 32 + gap
        let words = [UInt32](repeating: 0x7654_3210, count: rowCount * stride)
        let scales = [Float](repeating: 0.01, count: inputs / 128), zeros = [Float](repeating: 8, count: inputs / 128)
        var rows = [UInt32](repeating: 0, count: outputs * rowStride)
        var values = [UInt16](repeating: 0, count: inputs)
        let format = qk_grouped(
            kind: QK_CODES_STREAM, bits: UInt32(bits), shift: 0, arithmetic: QK_MOVED_THEN_SCALED, rounding: QK_F32, groupSize: 128)
        report.print("decode \(name)", valueCount: inputs * outputs, bytesPerValue: Double(bits) / 8, target: 1) {
            qk_columns_turn(order, words, stride, rowCount, outputs, &rows, rowStride)
            rows.withUnsafeBytes { rows in
                for output in 0..<outputs {
                    qk_grouped_decode(
                        format, rows.baseAddress?.advanced(by: 4 * output * rowStride).assumingMemoryBound(to: UInt8.self), 0, inputs,
                        scales, zeros, QK_F16, &values)
                }
            }
        }
    }
}
